((call method: (identifier) @_method) @placeholder
  (#eq? @_method "raise") (#match? @placeholder "NotImplementedError|(?i:not.{0,3}(yet.)?implemented|\\btodo\\b)"))

(program (call method: (identifier) @_method
  (#any-of? @_method "require" "require_relative" "load")) @import)
(ERROR (call method: (identifier) @_method
  (#any-of? @_method "require" "require_relative" "load")) @import)

(method body: (_) @body) @definition
(singleton_method body: (_) @body) @definition
(class body: (_) @body) @definition
(singleton_class body: (_) @body) @definition
(module body: (_) @body) @definition
(do_block body: (_) @body) @definition
