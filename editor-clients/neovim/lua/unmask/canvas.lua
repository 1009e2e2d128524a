--- The canvas of a fill while it forms: `unmask/canvas` as virtual text, a block for every slot still masked.
local M = {}

local namespace = vim.api.nvim_create_namespace("unmask.canvas")
local MASKED = "░"

--- Pieces of a canvas as lines of chunks.
---@param pieces (string|vim.NIL)[]
---@return [string, string][][]
local function lines(pieces)
  local made = { {} }
  for _, piece in ipairs(pieces) do
    if piece == vim.NIL then
      table.insert(made[#made], { MASKED, "UnmaskMasked" })
    else
      for number, part in ipairs(vim.split(piece, "\n", { plain = true })) do
        if number > 1 then
          made[#made + 1] = {}
        end
        table.insert(made[#made], { part, "UnmaskCanvas" })
      end
    end
  end
  return made
end

---@param bufnr integer
function M.clear(bufnr)
  if vim.api.nvim_buf_is_valid(bufnr) then
    vim.api.nvim_buf_clear_namespace(bufnr, namespace, 0, -1)
  end
end

--- Show a hole after a step.
---@param frame { uri: string, version: integer, hole: integer, range: lsp.Range, pieces: (string|vim.NIL)[] }
function M.draw(frame)
  local bufnr = vim.uri_to_bufnr(frame.uri)
  local client = require("unmask.client").get(bufnr)
  if not client or frame.version ~= vim.lsp.util.buf_versions[bufnr] then
    return
  end
  local function place(position)
    local line = vim.api.nvim_buf_get_lines(bufnr, position.line, position.line + 1, false)[1] or ""
    return position.line, vim.str_byteindex(line, client.offset_encoding, position.character, false)
  end
  local row, column = place(frame.range.start)
  local end_row, end_column = place(frame.range["end"])
  local shown = lines(frame.pieces)
  vim.api.nvim_buf_set_extmark(bufnr, namespace, row, column, {
    id = frame.hole + 1,
    end_row = end_row,
    end_col = end_column,
    hl_group = "UnmaskHole",
    virt_text = shown[1],
    virt_text_pos = "inline",
    virt_lines = vim.list_slice(shown, 2),
    strict = false,
  })
end

--- Highlights, and the events after which a canvas is over.
function M.enable()
  vim.api.nvim_set_hl(0, "UnmaskCanvas", { link = "DiffAdd", default = true })
  vim.api.nvim_set_hl(0, "UnmaskMasked", { link = "NonText", default = true })
  vim.api.nvim_set_hl(0, "UnmaskHole", { link = "DiffDelete", default = true })
  local group = vim.api.nvim_create_augroup("unmask.canvas", {})
  vim.api.nvim_create_autocmd({ "TextChanged", "TextChangedI" }, {
    group = group,
    callback = function(args)
      M.clear(args.buf)
    end,
  })
  vim.api.nvim_create_autocmd("LspRequest", {
    group = group,
    callback = function(args)
      local request = args.data.request
      local fills = request.method == "workspace/executeCommand" or request.method == "codeAction/resolve"
      if fills and request.type ~= "pending" then
        M.clear(request.bufnr)
      end
    end,
  })
end

return M
