"""`bench check-plugin NAME`: the conformance kit on one recommender."""

from pathlib import Path

import click

from bench.cli.options import plugin_option, set_option

__all__ = ["check_plugin"]


@click.command("check-plugin")
@click.argument("name")
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda or cuda:N.")
@set_option("Hyper-parameter to run it with, for one that has no default; repeatable.")
@plugin_option
def check_plugin(
    name: str, device: str, settings: tuple[str, ...], plugins: tuple[Path, ...]
) -> int:
    """Run the conformance kit on the recommender NAME.

    It fits a small data set a few times and checks what the interface promises. Exit code 1 if a
    promise is broken.
    """
    from bench.device import resolve_device
    from bench.experiment.plan import parse_settings, plan_params
    from bench.registry import Registry
    from bench.testing import check_recommender

    registry = Registry(plugins)
    recommender = registry.recommender(name)
    params = plan_params([name], registry, parse_settings(settings))[name]
    resolve_device(device)
    results = check_recommender(recommender, params=params, device=device)
    for result in results:
        click.echo(f"{'ok    ' if result.passed else 'BROKEN'}  {result.name}: {result.detail}")
    broken = sum(not result.passed for result in results)
    click.echo(f"{name}: {len(results) - broken} of {len(results)} promises kept")
    return 1 if broken else 0
