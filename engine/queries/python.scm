; What a user leaves to be filled.
(block . (expression_statement (ellipsis)) @placeholder .)
(block . (expression_statement (string)) . (expression_statement (ellipsis)) @placeholder .)
((pass_statement) @placeholder . (comment) @placeholder
  (#match? @placeholder "^pass|TODO|FIXME|XXX|(?i:implement|fill)"))
((raise_statement) @placeholder (#match? @placeholder "^raise\\s+NotImplementedError\\b"))

; Lines worth keeping from the top of the file.
(module [(import_statement) (import_from_statement) (future_import_statement)] @import)
(ERROR [(import_statement) (import_from_statement) (future_import_statement)] @import)
(module (try_statement (block [(import_statement) (import_from_statement)] @import)))
(module (if_statement (block [(import_statement) (import_from_statement)] @import)))

; Headers worth keeping when the hole is inside.
(function_definition body: (_) @body) @definition
(class_definition body: (_) @body) @definition
(decorated_definition definition: (_ body: (_) @body)) @definition
