--- Unmask in Neovim: `setup`, and what a statusline or a mapping calls. The work is the server's.
local M = {}

--- Start Unmask in the files it is for. See |unmask-setup|.
---@param options? table
function M.setup(options)
  require("unmask.config").set(options)
  require("unmask.canvas").enable()
  require("unmask.suggestions").enable()
  require("unmask.client").enable()
end

--- A word for the statusline: `unmask`, `unmask 40%`, `unmask …` at work, `unmask paused`, `unmask failed`.
---@param bufnr? integer
---@return string empty where Unmask is not in the buffer
function M.status(bufnr)
  local client_of = require("unmask.client")
  bufnr = bufnr or vim.api.nvim_get_current_buf()
  local client = client_of.get(bufnr)
  if not client then
    return ""
  end
  local status = client_of.status_of(client)
  if not status then
    return "unmask starting"
  elseif status.state == "loading" then
    return type(status.percent) == "number" and ("unmask %d%%"):format(status.percent) or "unmask loading"
  elseif status.state ~= "ready" then
    return "unmask " .. status.state
  elseif client_of.is_busy(bufnr) then
    return "unmask …"
  end
  local settings = client.settings.unmask or {}
  return settings.manual_only and "unmask paused" or "unmask"
end

--- Take the suggestion that is shown. Returns whether there was one, as do the two below.
function M.accept()
  return require("unmask.suggestions").accept()
end

--- Take its next word.
function M.accept_word()
  local suggestions = require("unmask.suggestions")
  return suggestions.accept(suggestions.WORD)
end

--- Take it up to the end of its line.
function M.accept_line()
  local suggestions = require("unmask.suggestions")
  return suggestions.accept(suggestions.LINE)
end

return M
