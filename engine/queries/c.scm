; Also the first half of the C++ query.
((expression_statement (call_expression function: (identifier) @_function)) @placeholder
  (#any-of? @_function "assert" "abort" "error")
  (#match? @placeholder "(?i)not.{0,3}(yet.)?implemented|unimplemented|todo"))
((expression_statement (call_expression function: (identifier) @_function)) @placeholder
  . (comment) @placeholder
  (#eq? @_function "abort")
  (#match? @placeholder "^abort|TODO|FIXME|(?i:implement)"))

(preproc_include) @import

(function_definition body: (_) @body) @definition
(struct_specifier body: (_) @body) @definition
(union_specifier body: (_) @body) @definition
(enum_specifier body: (_) @body) @definition
