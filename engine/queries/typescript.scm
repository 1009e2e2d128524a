; The second half of the TypeScript and TSX queries.
(interface_declaration body: (_) @body) @definition
(internal_module body: (_) @body) @definition
(module body: (_) @body) @definition
(abstract_class_declaration body: (_) @body) @definition
(enum_declaration body: (_) @body) @definition
