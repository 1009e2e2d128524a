; The second half of the C++ query.
((throw_statement) @placeholder
  (#match? @placeholder "(?i)not.{0,3}(yet.)?implemented|unimplemented|\\btodo\\b"))

(translation_unit (using_declaration) @import)

(class_specifier body: (_) @body) @definition
(namespace_definition body: (_) @body) @definition
(lambda_expression body: (_) @body) @definition
(template_declaration (_ body: (_) @body)) @definition
