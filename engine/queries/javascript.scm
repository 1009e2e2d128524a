; Also the first half of the TypeScript and TSX queries.
((throw_statement) @placeholder
  (#match? @placeholder "(?i)^throw\\s+(new\\s+)?\\w*(error|exception)\\b.*(not.{0,3}(yet.)?implemented|unimplemented|todo)"))

(import_statement) @import
(program (lexical_declaration (variable_declarator value: (call_expression
  function: (identifier) @_function (#eq? @_function "require")))) @import)
(program (variable_declaration (variable_declarator value: (call_expression
  function: (identifier) @_function (#eq? @_function "require")))) @import)

(function_declaration body: (_) @body) @definition
(generator_function_declaration body: (_) @body) @definition
(function_expression body: (_) @body) @definition
(arrow_function body: (statement_block) @body) @definition
(method_definition body: (_) @body) @definition
(class_declaration body: (_) @body) @definition
(class body: (_) @body) @definition
(export_statement declaration: (_ body: (_) @body)) @definition
