"""How names are bound in seven languages, as tables over the kinds of nodes of their grammars.

Pure data for ``engine.scopes``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from tree_sitter import Node

Where = Literal["here", "outside", "function", "var"]


@dataclass(frozen=True, slots=True)
class Binding:
    """A way to bind a name.

    Attributes:
        field: the field of the node that the name stands in; None for any child.
        kind: what is bound: ``variable``, ``parameter``, ``function``, ``member`` or ``import``.
        where: in the scope around the node, the one outside of it, the function around it, or, for
            JavaScript's ``var``, one of the two by the keyword.
    """

    field: str | None
    kind: str = "variable"
    where: Where = "here"


@dataclass(frozen=True, slots=True)
class Rules:
    """The table of one language.

    Attributes:
        names: leaves that are names of variables and functions.
        scopes: nodes that names can be known in alone; the root always is one.
        functions: those of them that are functions.
        closed: scopes whose names are not seen from functions inside.
        bindings: by kind of node, how it binds.
        patterns: nodes between a name and what binds it, with the fields that bind; empty for all.
        other: nodes in which a name is no variable, with the fields in which it is none; empty for all.
        outside: fields of a scope that are evaluated outside of it.
        unsure: nodes, or nodes in such a one, in which a name cannot be followed, with the reason.
        declarations: statements whose end is where what they bind begins to be known.
        dynamic: what looks names up by their text.
        in_order: whether a name means an outer one until it is bound.
        rebinds: whether binding a name again makes another variable of it.
        beside: fields of a pattern in which names are read, and not bound.
        constants: whether a capital in a pattern begins the name of a constant that is read.
        blind: scopes that, besides functions, closed ones are not seen from.
        bodies: nodes inside of which their members go by their mere names, with the kind of these.
        properties: what makes a property of the parameter that it stands in front of.
    """

    names: frozenset[str]
    scopes: frozenset[str]
    functions: frozenset[str]
    bindings: Mapping[str, tuple[Binding, ...]]
    patterns: Mapping[str, tuple[str, ...]]
    other: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    closed: frozenset[str] = frozenset()
    outside: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    unsure: Mapping[str, str] = field(default_factory=dict)
    declarations: frozenset[str] = frozenset()
    dynamic: re.Pattern[str] | None = None
    in_order: bool = False
    rebinds: bool = False
    beside: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    constants: bool = False
    blind: frozenset[str] = frozenset()
    bodies: Mapping[str, str] = field(default_factory=dict)
    properties: frozenset[str] = frozenset()

    def evaluated_outside(self, scope: Node, child: Node) -> bool:
        """Whether a child of a scope is evaluated outside of it."""
        fields = self.outside.get(scope.type, ())
        if scope.child_by_field_name("initializer") is not None:
            return False  # what it binds is known there
        return any(part == child for name in fields for part in scope.children_by_field_name(name))

    def reads_beside(self, pattern: Node, child: Node) -> bool:
        """Whether a name in a child of a pattern is read there, and not bound."""
        fields = self.beside.get(pattern.type, ())
        return any(part == child for name in fields for part in pattern.children_by_field_name(name))


def _set(names: str) -> frozenset[str]:
    return frozenset(names.split())


def _all(names: str) -> dict[str, tuple[str, ...]]:
    return dict.fromkeys(names.split(), ())


_COMPREHENSIONS = "list_comprehension set_comprehension dictionary_comprehension generator_expression"

PYTHON = Rules(
    names=_set("identifier"),
    scopes=_set(f"function_definition lambda class_definition {_COMPREHENSIONS}"),
    functions=_set("function_definition lambda class_definition"),
    closed=_set("class_definition"),
    bindings={
        "function_definition": (Binding("name", "function", "outside"),),
        "class_definition": (Binding("name", "member", "outside"),),
        "parameters": (Binding(None, "parameter"),),
        "lambda_parameters": (Binding(None, "parameter"),),
        "assignment": (Binding("left", where="function"),),
        "augmented_assignment": (Binding("left", where="function"),),
        "named_expression": (Binding("name", where="function"),),
        "for_statement": (Binding("left", where="function"),),
        "for_in_clause": (Binding("left"),),
        "as_pattern": (Binding("alias", where="function"),),
        "import_statement": (Binding("name", "import", "function"),),
        "import_from_statement": (Binding("name", "import", "function"),),
    },
    patterns={
        **_all(
            "pattern_list tuple_pattern list_pattern list_splat_pattern dictionary_splat_pattern "
            "as_pattern_target"
        ),
        "typed_parameter": (),
        "default_parameter": ("name",),
        "typed_default_parameter": ("name",),
        "aliased_import": ("alias",),
        "dotted_name": (),
        **_all("tuple list parenthesized_expression"),
    },
    other={"attribute": ("attribute",), "keyword_argument": ("name",)},
    outside={
        "function_definition": ("return_type", "parameters"),
        "lambda": ("parameters",),
        "class_definition": ("superclasses",),
    },
    unsure={
        "global_statement": "is declared global",
        "nonlocal_statement": "is declared nonlocal",
        "case_pattern": "stands in a pattern of match",
        "delete_statement": "is deleted",
        "function_definition type_parameter": "is a type's parameter",
        "class_definition type_parameter": "is a type's parameter",
    },
    blind=_set(_COMPREHENSIONS),
    dynamic=re.compile(r"(?<![.\w])(?:eval|exec|locals|globals|vars)\("),
)

_JS_FUNCTIONS = (
    "function_declaration function_expression arrow_function method_definition generator_function "
    "generator_function_declaration"
)
_TS_SIGNATURES = (
    "function_type constructor_type function_signature method_signature abstract_method_signature "
    "call_signature construct_signature"
)
_JS_PATTERNS = {
    **_all("object_pattern array_pattern rest_pattern"),
    "pair_pattern": ("value",),
    "assignment_pattern": ("left",),
    "object_assignment_pattern": ("left",),
}

JAVASCRIPT = Rules(
    names=_set("identifier shorthand_property_identifier shorthand_property_identifier_pattern"),
    scopes=_set(
        f"{_JS_FUNCTIONS} statement_block for_statement for_in_statement catch_clause class_body "
        f"class switch_body {_TS_SIGNATURES}"
    ),
    functions=_set(_JS_FUNCTIONS),
    bindings={
        "function_declaration": (Binding("name", "function", "outside"),),
        "generator_function_declaration": (Binding("name", "function", "outside"),),
        "function_expression": (Binding("name", "function"),),
        "class_declaration": (Binding("name", "member", "outside"),),
        "enum_declaration": (Binding("name", "member", "outside"),),
        "class": (Binding("name", "member"),),
        "variable_declarator": (Binding("name", where="var"),),
        "formal_parameters": (Binding(None, "parameter"),),
        "required_parameter": (Binding("pattern", "parameter"),),
        "optional_parameter": (Binding("pattern", "parameter"),),
        "arrow_function": (Binding("parameter", "parameter"),),
        "catch_clause": (Binding("parameter"),),
        "for_in_statement": (Binding("left", where="var"),),
        "import_clause": (Binding(None, "import"),),
        "import_specifier": (Binding(None, "import"),),
        "namespace_import": (Binding(None, "import"),),
    },
    patterns=_JS_PATTERNS,
    other=dict.fromkeys(("index_signature", "required_parameter", "optional_parameter"), ("name",)),
    bodies={"enum_body": "property_identifier"},
    properties=_set("accessibility_modifier override_modifier readonly"),
    unsure={"export_specifier": "is exported: other files may use it", "type_query": "is named by a type"},
    dynamic=re.compile(r"(?<![.\w])(?:eval\(|with\s*\()"),
)

GO = Rules(
    names=_set("identifier"),
    scopes=_set(
        "function_declaration method_declaration func_literal block if_statement for_statement "
        "expression_switch_statement type_switch_statement select_statement expression_case "
        "type_case "
        "default_case communication_case function_type method_elem"
    ),
    functions=_set("function_declaration method_declaration func_literal"),
    bindings={
        "function_declaration": (Binding("name", "function", "outside"),),
        "short_var_declaration": (Binding("left"),),
        "var_spec": (Binding("name"),),
        "const_spec": (Binding("name"),),
        "range_clause": (Binding("left"),),
        "parameter_declaration": (Binding("name", "parameter"),),
        "variadic_parameter_declaration": (Binding("name", "parameter"),),
        "type_switch_statement": (Binding("alias"),),
        "receive_statement": (Binding("left"),),
        "type_parameter_declaration": (Binding("name", "member"),),
    },
    patterns=_all("expression_list"),
    outside={"type_switch_statement": ("value",)},
    unsure={"literal_element": "may be a field in a literal"},
    declarations=_set("short_var_declaration var_spec const_spec range_clause receive_statement"),
    in_order=True,
)

RUST = Rules(
    names=_set("identifier shorthand_field_identifier"),
    scopes=_set(
        "function_item closure_expression block for_expression match_arm if_expression "
        "while_expression mod_item "
        "impl_item trait_item function_signature_item function_type"
    ),
    functions=_set("function_item closure_expression"),
    closed=_set("impl_item trait_item"),
    bindings={
        "function_item": (Binding("name", "function", "outside"),),
        "function_signature_item": (Binding("name", "function", "outside"),),
        "const_item": (Binding("name"),),
        "static_item": (Binding("name"),),
        "let_declaration": (Binding("pattern"),),
        "let_condition": (Binding("pattern"),),
        "parameter": (Binding("pattern", "parameter"),),
        "closure_parameters": (Binding(None, "parameter"),),
        "for_expression": (Binding("pattern"),),
        "match_arm": (Binding("pattern"),),
        "use_declaration": (Binding(None, "import"),),
    },
    patterns={
        **_all(
            "tuple_pattern slice_pattern reference_pattern mut_pattern ref_pattern captured_pattern "
            "or_pattern"
        ),
        **_all("use_list match_pattern struct_pattern tuple_struct_pattern"),
        "scoped_use_list": ("list",),
        "scoped_identifier": ("name",),
        "use_as_clause": ("alias",),
        "field_pattern": ("pattern",),
    },
    unsure={
        "field_pattern": "stands in the pattern of a struct",
        "or_pattern": "stands in a pattern of alternatives",
        "macro_definition": "stands in a macro",
        "const_parameter": "is a generic parameter",
    },
    other={
        **_all("lifetime label attribute extern_crate_declaration"),
        "enum_variant": ("name",),
        "macro_invocation": ("macro",),
        "mod_item": ("name",),
    },
    outside={"if_expression": ("alternative",), "for_expression": ("value",)},
    beside={"match_pattern": ("condition",), "tuple_struct_pattern": ("type",)},
    constants=True,
    declarations=_set("let_declaration let_condition const_item static_item"),
    in_order=True,
    rebinds=True,
)

JAVA = Rules(
    names=_set("identifier"),
    scopes=_set(
        "method_declaration constructor_declaration lambda_expression block for_statement "
        "enhanced_for_statement "
        "catch_clause try_with_resources_statement class_body interface_body enum_body "
        "record_declaration "
        "switch_block_statement_group switch_rule constructor_body"
    ),
    functions=_set("method_declaration constructor_declaration lambda_expression"),
    closed=frozenset(),
    bindings={
        "field_declaration": (Binding("declarator", "member"),),
        "constant_declaration": (Binding("declarator", "member"),),
        "enum_constant": (Binding("name", "member"),),
        "local_variable_declaration": (Binding("declarator"),),
        "formal_parameter": (Binding("name", "parameter"),),
        "spread_parameter": (Binding(None, "parameter"),),
        "inferred_parameters": (Binding(None, "parameter"),),
        "lambda_expression": (Binding("parameters", "parameter"),),
        "catch_formal_parameter": (Binding("name"),),
        "enhanced_for_statement": (Binding("name"),),
        "resource": (Binding("name"),),
        "method_declaration": (Binding("name", "member", "outside"),),
        "class_declaration": (Binding("name", "member", "outside"),),
        "interface_declaration": (Binding("name", "member", "outside"),),
        "enum_declaration": (Binding("name", "member", "outside"),),
        "record_declaration": (Binding("name", "member", "outside"),),
        "constructor_declaration": (Binding("name", "member", "outside"),),
    },
    patterns={"variable_declarator": ("name",)},
    other={
        "field_access": ("field",),
        "method_invocation": ("name",),
        "method_reference": ("name",),
        "labeled_statement": (),
        "break_statement": (),
        "continue_statement": (),
        "element_value_pair": ("key",),
        "scoped_identifier": (),
        "package_declaration": (),
        "import_declaration": (),
        "marker_annotation": (),
        "annotation": ("name",),
    },
    outside={"enhanced_for_statement": ("value",)},
    unsure={"type_pattern": "stands in a pattern", "record_pattern": "stands in a pattern"},
    declarations=_set("local_variable_declaration resource"),
    in_order=True,
)

_DECLARATORS = {
    **_all("reference_declarator structured_binding_declarator parenthesized_declarator"),
    **_all("variadic_declarator"),
    "pointer_declarator": ("declarator",),
    "array_declarator": ("declarator",),
    "init_declarator": ("declarator",),
    "function_declarator": ("declarator",),
}

CPP = Rules(
    names=_set("identifier"),
    scopes=_set(
        "function_definition lambda_expression compound_statement for_statement for_range_loop "
        "catch_clause "
        "if_statement while_statement switch_statement namespace_definition field_declaration_list "
        "function_declarator abstract_function_declarator"
    ),
    functions=_set("function_definition lambda_expression"),
    bindings={
        "function_definition": (Binding("declarator", "function", "outside"),),
        "declaration": (Binding("declarator"),),
        "parameter_declaration": (Binding("declarator", "parameter"),),
        "optional_parameter_declaration": (Binding("declarator", "parameter"),),
        "variadic_parameter_declaration": (Binding("declarator", "parameter"),),
        "for_range_loop": (Binding("declarator"),),
        "lambda_capture_initializer": (Binding("left"),),
        "enumerator": (Binding("name", "member"),),
    },
    patterns=_DECLARATORS,
    other={"qualified_identifier": ("name", "scope"), "goto_statement": (), "labeled_statement": ("label",)},
    unsure={
        "preproc_def": "stands in a macro",
        "preproc_function_def": "stands in a macro",
        "template_parameter_list": "is a template's parameter",
        "lambda_capture_specifier": "is captured by a lambda",
    },
    outside={"for_range_loop": ("right",)},
    bodies={"field_declaration_list": "field_identifier"},
    declarations=_set("declaration"),
    in_order=True,
)

RULES: dict[str, Rules] = {
    "python": PYTHON,
    "javascript": JAVASCRIPT,
    "typescript": JAVASCRIPT,
    "typescriptreact": JAVASCRIPT,
    "go": GO,
    "rust": RUST,
    "java": JAVA,
    "cpp": CPP,
}
