((expression_statement (call_expression function: (identifier) @_function)) @placeholder
  (#eq? @_function "panic")
  (#match? @placeholder "(?i)not.{0,3}(yet.)?implemented|unimplemented|todo|implement me"))

(package_clause) @import
(import_declaration) @import

(function_declaration body: (_) @body) @definition
(method_declaration body: (_) @body) @definition
(func_literal body: (_) @body) @definition
(type_spec type: (struct_type (field_declaration_list) @body)) @definition
(type_spec type: (interface_type) @body) @definition
