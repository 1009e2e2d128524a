((throw_statement) @placeholder
  (#match? @placeholder "^throw\\s+new\\s+(UnsupportedOperationException|NotImplementedException|NotImplementedError)\\b"))
((throw_statement) @placeholder
  (#match? @placeholder "(?i)not.{0,3}(yet.)?implemented|unimplemented|\\btodo\\b"))

(package_declaration) @import
(import_declaration) @import

(class_declaration body: (_) @body) @definition
(interface_declaration body: (_) @body) @definition
(enum_declaration body: (_) @body) @definition
(record_declaration body: (_) @body) @definition
(method_declaration body: (_) @body) @definition
(constructor_declaration body: (_) @body) @definition
(lambda_expression body: (block) @body) @definition
