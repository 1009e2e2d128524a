((throw_statement) @placeholder
  (#match? @placeholder "^throw\\s+new\\s+(System\\.)?NotImplementedException\\b|(?i:not.{0,3}(yet.)?implemented|\\btodo\\b)"))
((throw_expression) @placeholder
  (#match? @placeholder "^throw\\s+new\\s+(System\\.)?NotImplementedException\\b"))

(using_directive) @import
(file_scoped_namespace_declaration "namespace" @import)

(namespace_declaration body: (_) @body) @definition
(class_declaration body: (_) @body) @definition
(struct_declaration body: (_) @body) @definition
(interface_declaration body: (_) @body) @definition
(record_declaration body: (_) @body) @definition
(enum_declaration body: (_) @body) @definition
(method_declaration body: (_) @body) @definition
(constructor_declaration body: (_) @body) @definition
(local_function_statement body: (_) @body) @definition
(property_declaration accessors: (_) @body) @definition
