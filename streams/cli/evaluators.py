"""`evalstream evaluators list`, `show` and `test`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from streams.cli import console, options, trying

if TYPE_CHECKING:
    from evaluators.base import BaseEvaluator

evaluators = typer.Typer(help="What can be configured under `evaluators:`.", no_args_is_help=True)
evaluators.command("test")(trying.test_file)


@evaluators.command("list")
def list_types(config: options.Config = None, as_json: options.Json = False) -> None:
    """List the evaluator types: the shipped ones, and those of the packages that the configuration names.

    Example: evalstream evaluators list
    """
    from evaluators.registry import evaluator_class, type_names
    from streams.cli.locate import locate

    named = locate(config).settings.plugins
    rows = [_described(name, evaluator_class(name, named)) for name in type_names(named)]
    if as_json:
        for row in rows:
            console.emit_json(row)
        return
    console.show_table(
        "Evaluator types",
        ["type", "default target", "lane", "what it says"],
        [[row["type"], row["default_target"], row["lane"], row["summary"]] for row in rows],
    )


@evaluators.command("show")
def show(
    type_name: Annotated[str, typer.Argument(metavar="TYPE", help="As `evaluators list` shows it.")],
    config: options.Config = None,
    as_json: options.Json = False,
) -> None:
    """Show what a type does and the options it takes.

    Example: evalstream evaluators show regex
    """
    from evaluators.registry import evaluator_class
    from streams.cli.locate import locate

    found = evaluator_class(type_name, locate(config).settings.plugins)
    described = _described(type_name, found)
    if as_json:
        console.emit_json({**described, "options": found.Options.model_json_schema()})
        return
    print(f"{type_name}\n\n{described['documentation']}\n")
    print(
        f"targets: {', '.join(described['targets'])} (default {described['default_target']}); lane: {described['lane']}\n"
    )
    console.show_table("options", ["option", "type", "default", ""], list(_options(found)))


def _described(name: str, found: type[BaseEvaluator[Any]]) -> dict[str, Any]:
    from inspect import getdoc

    documentation = getdoc(found) or ""
    return {
        "type": name,
        "summary": documentation.partition("\n\n")[0].replace("\n", " "),
        "documentation": documentation,
        "targets": sorted(found.targets),
        "default_target": found.default_target,
        "lane": found.lane,
    }


def _options(found: type[BaseEvaluator[Any]]) -> Any:
    from pydantic_core import PydanticUndefined

    from schemas.settings.document import type_text

    for name, field in found.Options.model_fields.items():
        default = "required" if field.default is PydanticUndefined else field.default
        yield name, type_text(field.annotation).replace("\\|", "|"), default, field.description or ""
