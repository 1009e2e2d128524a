--- Suggestions while typing, by Neovim's own means: ghost text from 0.12, the completion list before.
local client_of = require("unmask.client")
local config = require("unmask.config")
local M = {}

M.WORD = [[^\_s*\%(\k\+\|\%(\k\@!\S\)\+\)]]
M.LINE = [[^\n*[^\n]*]]

--- What of a suggestion is typed already.
---@param item table
---@return string? typed nil where something else was typed since it came
---@return boolean moved whether the cursor is not where it was then
local function typed_of(item)
  if not item.range then
    return "", false
  end
  local row, column, end_row, end_column = item.range:to_extmark()
  local cursor = vim.api.nvim_win_get_cursor(0)
  if cursor[1] - 1 < row or cursor[1] - 1 == row and cursor[2] < column then
    return nil, true
  end
  local typed = table.concat(vim.api.nvim_buf_get_text(0, row, column, cursor[1] - 1, cursor[2], {}), "\n")
  local moved = cursor[1] - 1 ~= end_row or cursor[2] > end_column
  return vim.startswith(item.insert_text, typed) and typed or nil, moved
end

--- Take the suggestion that is shown, or the part of it that a pattern finds at the start of what is new.
---@param pattern? string
---@return boolean taken
function M.accept(pattern)
  if not vim.lsp.inline_completion then
    return false
  end
  return vim.lsp.inline_completion.get({
    on_accept = function(item)
      if type(item.insert_text) ~= "string" then
        return item
      end
      -- Neovim shows a suggestion on while keys wait to be read, and its range is of the text before them.
      local typed, moved = typed_of(item)
      if not typed then
        return nil
      end
      if moved then
        item.range, item.insert_text, typed = nil, item.insert_text:sub(#typed + 1), ""
      end
      if not pattern then
        return item
      end
      local part = typed .. vim.fn.matchstr(item.insert_text:sub(#typed + 1), pattern)
      if part ~= item.insert_text then
        local client = vim.lsp.get_client_by_id(item.client_id)
        if client then
          client:notify("textDocument/didPartiallyAcceptCompletion", {
            item = { insertText = item.insert_text, command = item.command },
            acceptedLength = vim.str_utfindex(part, "utf-16"),
          })
        end
        item.insert_text, item.command = part, nil
      end
      return item
    end,
  })
end

--- Neovim's own state of a buffer's suggestions; it has no public way to ask for them outright.
---@param bufnr integer
---@return table? completor nil where this Neovim keeps it elsewhere
local function completor_of(bufnr)
  local found, completor = pcall(function()
    return require("vim.lsp._capability").all.inline_completion.active[bufnr]
  end)
  return found and completor or nil
end

--- Show another suggestion: of those there are, or of those that come when they are asked for outright.
---@param count integer how many further, backwards where negative
function M.select(count)
  if not vim.lsp.inline_completion then
    return
  end
  local bufnr = vim.api.nvim_get_current_buf()
  local completor, client = completor_of(bufnr), client_of.get(bufnr)
  local is_shown = completor and completor.current ~= nil
  if not completor or not client or completor:count_items() > 1 and is_shown then
    return vim.lsp.inline_completion.select({ count = count })
  end
  local params = vim.lsp.util.make_position_params(0, client.offset_encoding)
  params.context = { triggerKind = vim.lsp.protocol.InlineCompletionTriggerKind.Invoked }
  client:request("textDocument/inlineCompletion", params, function(...)
    completor:handler(...)
    if is_shown then
      vim.lsp.inline_completion.select({ count = count })
    end
  end, bufnr)
end

--- Hide the suggestion that is shown.
---@return boolean hidden
function M.dismiss()
  if not vim.lsp.inline_completion then
    return false
  end
  return vim.lsp.inline_completion.get({
    on_accept = function() end,
  })
end

--- A key that does something else where there is nothing to take.
---@param bufnr integer
---@param key string|false
---@param description string
---@param act fun(): boolean
local function map(bufnr, key, description, act)
  if not key then
    return
  end
  vim.keymap.set("i", key, function()
    if act() then
      return ""
    end
    if key:lower() == "<tab>" and vim.snippet.active({ direction = 1 }) then
      return "<Cmd>lua vim.snippet.jump(1)<CR>"
    end
    return key
  end, { buffer = bufnr, expr = true, desc = "Unmask: " .. description })
end

---@param bufnr integer
local function ghost_text(bufnr)
  vim.lsp.inline_completion.enable(true, { bufnr = bufnr })
  local keys = config.current.keys
  map(bufnr, keys.accept, "take the suggestion", function()
    return M.accept()
  end)
  map(bufnr, keys.word, "take its next word", function()
    return M.accept(M.WORD)
  end)
  map(bufnr, keys.line, "take its line", function()
    return M.accept(M.LINE)
  end)
  map(bufnr, keys.dismiss, "hide the suggestion", M.dismiss)
  for key, count in pairs({ [keys.next or ""] = 1, [keys.previous or ""] = -1 }) do
    if key ~= "" then
      vim.keymap.set("i", key, function()
        M.select(count)
      end, { buffer = bufnr, desc = "Unmask: another suggestion" })
    end
  end
end

---@param client vim.lsp.Client
---@param bufnr integer
local function completion_list(client, bufnr)
  vim.lsp.completion.enable(true, client.id, bufnr, { autotrigger = true })
  vim.bo[bufnr].completeopt = "menuone,noselect,popup" -- or a single item is inserted unasked
  vim.keymap.set("i", "<C-Space>", vim.lsp.completion.get, { buffer = bufnr, desc = "Unmask: complete" })
end

--- Have suggestions in each buffer that the server is attached to.
function M.enable()
  vim.api.nvim_create_autocmd("LspAttach", {
    group = vim.api.nvim_create_augroup("unmask.suggestions", {}),
    callback = function(args)
      local client = vim.lsp.get_client_by_id(args.data.client_id)
      if not client or client.name ~= client_of.NAME then
        return
      end
      if vim.lsp.inline_completion then
        ghost_text(args.buf)
      end
      if client:supports_method("textDocument/completion") then
        completion_list(client, args.buf)
      end
    end,
  })
end

return M
