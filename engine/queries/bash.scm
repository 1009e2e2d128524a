((command name: (command_name) @_name) @placeholder . (comment) @placeholder
  (#any-of? @_name ":" "true" "false")
  (#match? @placeholder "^(:|true|false)|TODO|FIXME|(?i:implement)"))
((command name: (command_name) @_name) @placeholder
  (#any-of? @_name "echo" "die" "fail")
  (#match? @placeholder "(?i)not.{0,3}(yet.)?implemented"))

((command name: (command_name) @_name) @import (#any-of? @_name "source" "."))

(function_definition body: (_) @body) @definition
