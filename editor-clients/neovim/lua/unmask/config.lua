--- What the user has asked for, with everything that was left out filled in.
local M = {}

---@class unmask.Keys keys of insert mode; false for none
---@field accept string|false take the whole suggestion; where there is none, the key does what it always does
---@field word string|false take its next word
---@field line string|false take it up to the end of its line
---@field next string|false show the next suggestion
---@field previous string|false show the one before
---@field dismiss string|false hide it

---@class unmask.Config
---@field cmd string[] how the server is started
---@field filetypes string[] where it is asked
---@field settings table the server's settings, by the names in its documentation
---@field keys unmask.Keys

---@type unmask.Config
local defaults = {
  cmd = { "unmask", "serve" },
  -- stylua: ignore
  filetypes = {
    "python", "javascript", "javascriptreact", "typescript", "typescriptreact", "go", "rust", "java",
    "c", "cpp", "cs", "ruby", "php", "sh", "bash",
  },
  settings = { canvas = true },
  keys = {
    accept = "<Tab>",
    word = "<M-Right>",
    line = "<M-C-Right>",
    next = "<M-]>",
    previous = "<M-[>",
    dismiss = "<C-]>",
  },
}

---@type unmask.Config
M.current = defaults

---@param given? table
function M.set(given)
  given = given or {}
  for name in pairs(given) do
    if defaults[name] == nil then
      error(("unmask.setup: there is no option %q; see :help unmask-setup"):format(name), 0)
    end
  end
  for name in pairs(given.keys or {}) do
    if defaults.keys[name] == nil then
      error(("unmask.setup: there is no key %q; see :help unmask-keys"):format(name), 0)
    end
  end
  M.current = vim.tbl_deep_extend("force", defaults, given)
end

return M
