((expression_statement (throw_expression)) @placeholder
  (#match? @placeholder "(?i)NotImplemented|not.{0,3}(yet.)?implemented|unimplemented|\\btodo\\b"))

(php_tag) @import
(namespace_definition (namespace_name) !body) @import
(namespace_use_declaration) @import
(expression_statement [(require_once_expression) (require_expression) (include_once_expression) (include_expression)]) @import

(function_definition body: (_) @body) @definition
(class_declaration body: (_) @body) @definition
(interface_declaration body: (_) @body) @definition
(trait_declaration body: (_) @body) @definition
(enum_declaration body: (_) @body) @definition
(method_declaration body: (_) @body) @definition
(anonymous_function body: (_) @body) @definition
