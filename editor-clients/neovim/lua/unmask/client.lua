--- The connection to the server: starting it, asking it, and what it says of itself.
local config = require("unmask.config")
local M = {}

M.NAME = "unmask"

---@class unmask.Status what the server last said of its engine
---@field state "off"|"loading"|"ready"|"failed"
---@field message string
---@field percent integer|vim.NIL

---@type table<integer, unmask.Status> by client
local statuses = {}

---@type table<integer, { client: vim.lsp.Client, bufnr: integer }> work under way, by request
local running = {}

---@type integer[] when servers ended that nobody had ended, in seconds
local deaths = {}
local MAX_DEATHS, WITHIN_S = 3, 60

local function redraw()
  vim.api.nvim_exec_autocmds("User", { pattern = "UnmaskStatus" })
  vim.cmd.redrawstatus()
end

--- The client of a buffer, or any where the buffer has none.
---@param bufnr? integer
---@return vim.lsp.Client?
function M.get(bufnr)
  return vim.lsp.get_clients({ name = M.NAME, bufnr = bufnr })[1]
end

---@param client vim.lsp.Client
---@return unmask.Status?
function M.status_of(client)
  return statuses[client.id]
end

--- Whether a buffer's server is at work that was asked for.
---@param bufnr integer
function M.is_busy(bufnr)
  for _, work in pairs(running) do
    if work.bufnr == bufnr then
      return true
    end
  end
  return false
end

--- Start a server again that has ended by itself, unless that happens time and again.
local function died()
  local now = os.time()
  deaths = vim.tbl_filter(function(at)
    return now - at < WITHIN_S
  end, deaths)
  table.insert(deaths, now)
  if #deaths > MAX_DEATHS then
    M.warn("the server ends time and again: see :Unmask log, then :Unmask restart.")
  else
    vim.lsp.enable(M.NAME, false)
    vim.lsp.enable(M.NAME)
  end
end

--- Have Neovim's language client start the server where it belongs.
function M.enable()
  local asked = config.current
  vim.lsp.config(M.NAME, {
    cmd = asked.cmd,
    filetypes = asked.filetypes,
    root_markers = { "unmask.toml", ".git" },
    init_options = asked.settings,
    settings = { unmask = asked.settings },
    capabilities = {
      workspace = {
        workspaceEdit = {
          documentChanges = true, -- Neovim takes edits of a version it checks, and new files, but does not say so
          changeAnnotationSupport = vim.NIL, -- or it asks to press Enter after each edit
        },
      },
    },
    handlers = {
      ["unmask/status"] = function(_, status, context)
        statuses[context.client_id] = status
        redraw()
      end,
      ["unmask/canvas"] = function(_, frame)
        require("unmask.canvas").draw(frame)
      end,
      ["window/showMessage"] = function(_, told)
        local levels = { vim.log.levels.ERROR, vim.log.levels.WARN }
        vim.notify(told.message, levels[told.type] or vim.log.levels.INFO)
      end,
      ["workspace/applyEdit"] = function(err, asked, context)
        asked.label = nil -- Neovim prints it, and asks to press Enter where the server has a word to say as well
        return vim.lsp.handlers["workspace/applyEdit"](err, asked, context)
      end,
    },
    on_exit = function(code, signal, id)
      statuses[id] = nil
      vim.defer_fn(function() -- Neovim has to forget the client first
        redraw()
        if code ~= 0 or (signal ~= 0 and signal ~= 15) then
          died()
        end
      end, 100)
    end,
  })
  vim.lsp.enable(M.NAME)
end

--- End the server and start it anew, with the buffers it had.
function M.restart()
  local clients = vim.lsp.get_clients({ name = M.NAME })
  for _, client in ipairs(clients) do
    client:stop(true)
  end
  vim.wait(5000, function()
    return M.get() == nil
  end)
  vim.lsp.enable(M.NAME, false)
  M.enable()
end

--- Change a setting until the server ends.
---@param name string
---@param value any
function M.set(name, value)
  for _, client in ipairs(vim.lsp.get_clients({ name = M.NAME })) do
    local settings = vim.deepcopy(client.settings)
    settings.unmask = vim.tbl_extend("force", settings.unmask or {}, { [name] = value })
    client.settings = settings
    client:notify("workspace/didChangeConfiguration", { settings = settings })
  end
  redraw()
end

--- Ask the server to run a command; what it changes comes as an edit.
---@param command string
---@param arguments? table[]
---@param answered? fun(result: any)
function M.execute(command, arguments, answered)
  local bufnr = vim.api.nvim_get_current_buf()
  local client = M.get(bufnr)
  if not client then
    return M.warn("no server in this buffer. :checkhealth unmask says why.")
  end
  local params = { command = command, arguments = arguments }
  local id
  local function finish(err, result)
    running[id or 0] = nil
    redraw()
    if err then
      M.warn(err.message)
    elseif answered then
      answered(result)
    end
  end
  local sent
  sent, id = client:request("workspace/executeCommand", params, finish, bufnr)
  if sent and id then
    running[id] = { client = client, bufnr = bufnr }
    redraw()
  end
end

--- Give up what is under way.
function M.cancel()
  for id, work in pairs(running) do
    work.client:cancel_request(id)
  end
  running = {} -- Neovim keeps the answers to itself
  redraw()
end

---@param message string
function M.warn(message)
  -- The server's own messages begin with its name.
  vim.notify(message:match("^Unmask") and message or "Unmask: " .. message, vim.log.levels.WARN)
end

return M
