--- `:Unmask …`: every subcommand, its arguments, and what it asks the server for.
local client_of = require("unmask.client")
local M = {}

local LANGUAGES = { "python", "javascript", "typescript", "go", "rust", "java", "cpp" }
local STRENGTHS = { "restyle", "rework", "rewrite" }

--- A place in the buffer as the protocol has it.
---@param row integer from 0
---@param byte integer from 0
---@param encoding "utf-8"|"utf-16"|"utf-32"
local function position(row, byte, encoding)
  local line = vim.api.nvim_buf_get_lines(0, row, row + 1, false)[1] or ""
  return { line = row, character = vim.str_utfindex(line, encoding, math.min(byte, #line), false) }
end

--- What a command is about: the lines or the selection it was given, or else the cursor.
---@param args vim.api.keyset.create_user_command.command_args
---@return lsp.Range
local function range(args)
  local client = client_of.get(0)
  local encoding = client and client.offset_encoding or "utf-16"
  if args.range == 0 then
    local cursor = vim.api.nvim_win_get_cursor(0)
    local at = position(cursor[1] - 1, cursor[2], encoding)
    return { start = at, ["end"] = at }
  end
  local from, to = vim.fn.getpos("'<"), vim.fn.getpos("'>")
  if vim.fn.visualmode() == "v" and args.range == 2 and from[2] == args.line1 and to[2] == args.line2 then
    local line = vim.fn.getline(to[2])
    local last = vim.fn.matchstr(line, [[\%]] .. to[3] .. "c.")
    return {
      start = position(from[2] - 1, from[3] - 1, encoding),
      ["end"] = position(to[2] - 1, to[3] - 1 + #last, encoding),
    }
  end
  return {
    start = { line = args.line1 - 1, character = 0 },
    ["end"] = position(args.line2 - 1, vim.v.maxcol, encoding),
  }
end

--- A document as it is now: an answer for another version is refused.
local function document()
  local bufnr = vim.api.nvim_get_current_buf()
  return { uri = vim.uri_from_bufnr(bufnr), version = vim.lsp.util.buf_versions[bufnr] }
end

---@param what "range"|"holes"
local function fill(what)
  return function(args)
    client_of.execute("unmask.fill", {
      vim.tbl_extend("error", document(), { what = what, range = range(args) }),
    })
  end
end

---@param kind string
---@param more? table
local function edit(kind, where, more)
  local asked = vim.tbl_extend("error", document(), { kind = kind, range = where }, more or {})
  client_of.execute("unmask.edit", { asked })
end

---@param kind string
local function at_cursor(kind)
  return function(args)
    edit(kind, range(args))
  end
end

---@param kind string
local function in_file(kind)
  return function(args)
    edit(kind, args.range > 0 and range(args) or nil)
  end
end

local function rewrite(args, words)
  local where = range(args)
  local function ask(instruction)
    if not instruction or instruction == "" then
      return
    end
    local strength = vim.list_contains(STRENGTHS, instruction)
    edit("rewrite", where, strength and { strength = instruction } or { instruction = instruction })
  end
  if #words > 0 then
    ask(table.concat(words, " "))
  else
    vim.ui.input({ prompt = "Rewrite how? " }, ask)
  end
end

local function translate(args, words)
  if #words ~= 1 then
    return client_of.warn("to which language? One of " .. table.concat(LANGUAGES, ", ") .. ".")
  end
  edit("translate", args.range > 0 and range(args) or nil, { to = words[1] })
end

local function show_status()
  client_of.execute("unmask.status", nil, function(status)
    local said = { ("Unmask is %s: %s"):format(status.state, status.message) }
    for name, count in vim.spairs(status.counts or {}) do
      table.insert(said, ("%s %d"):format(name, count))
    end
    vim.notify(table.concat(said, "\n"))
  end)
end

local function actions()
  vim.lsp.buf.code_action({
    filter = function(action)
      return vim.startswith(action.title, "Unmask")
    end,
  })
end

---@type table<string, { run: fun(args: table, words: string[]), choices?: string[] }>
M.subcommands = {
  fill = { run = fill("range") },
  holes = { run = fill("holes") },
  types = { run = at_cursor("types") },
  docstring = { run = at_cursor("docstring") },
  name = { run = at_cursor("names") },
  complete = { run = at_cursor("complete") },
  repair = { run = in_file("repair") },
  rewrite = { run = rewrite, choices = STRENGTHS },
  to = { run = translate, choices = LANGUAGES },
  actions = { run = actions },
  cancel = { run = client_of.cancel },
  pause = {
    run = function()
      client_of.set("manual_only", true)
    end,
  },
  resume = {
    run = function()
      client_of.set("manual_only", false)
    end,
  },
  status = { run = show_status },
  restart = { run = client_of.restart },
  log = {
    run = function()
      vim.cmd.tabedit(vim.fn.fnameescape(vim.lsp.log.get_filename()))
    end,
  },
}

---@param args vim.api.keyset.create_user_command.command_args
function M.run(args)
  local words = vim.deepcopy(args.fargs)
  local name = table.remove(words, 1)
  local subcommand = M.subcommands[name]
  if not subcommand then
    return client_of.warn(("there is no %s; :help :Unmask has them all."):format(name))
  end
  subcommand.run(args, words)
end

--- Completion of the command line.
---@param lead string
---@param line string
---@return string[]
function M.complete(lead, line)
  local name = line:match("Unmask%s+(%S+)%s")
  local among = not name and vim.tbl_keys(M.subcommands) or (M.subcommands[name] or {}).choices or {}
  local found = vim.tbl_filter(function(word)
    return vim.startswith(word, lead)
  end, among)
  table.sort(found)
  return found
end

return M
