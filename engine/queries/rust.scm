((expression_statement (macro_invocation macro: (identifier) @_macro)) @placeholder
  (#any-of? @_macro "todo" "unimplemented"))
((macro_invocation macro: (identifier) @_macro) @placeholder
  (#any-of? @_macro "todo" "unimplemented"))
((expression_statement (macro_invocation macro: (identifier) @_macro) @_call) @placeholder
  (#eq? @_macro "panic") (#match? @_call "(?i)not.{0,3}(yet.)?implemented|todo"))

(use_declaration) @import
(extern_crate_declaration) @import

(function_item body: (_) @body) @definition
(closure_expression body: (block) @body) @definition
(impl_item body: (_) @body) @definition
(trait_item body: (_) @body) @definition
(mod_item body: (_) @body) @definition
(struct_item body: (_) @body) @definition
(enum_item body: (_) @body) @definition
