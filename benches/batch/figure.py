"""The figure of batch.py: time, memory and accuracy of each form."""

import statistics


def draw(title, times, accuracies, path):
    """`times`: form -> {m: run}; `accuracies`: form -> {m: [run, ...]}. Writes .svg and .png, or says why not."""
    try:
        import matplotlib
    except ImportError:
        return "no figure: this Python has no matplotlib"
    matplotlib.use("svg")
    import matplotlib.pyplot as plt

    # The same bytes for the same numbers.
    matplotlib.rcParams.update({"svg.hashsalt": "batch", "font.size": 9, "axes.grid": True, "grid.alpha": 0.3})
    figure, ((time, memory), (by_batch, by_time)) = plt.subplots(2, 2, figsize=(10, 7.5), layout="constrained")
    figure.suptitle(title)
    forms = list(dict.fromkeys([*times, *accuracies]))
    colors = {form: f"C{index % 10}" for index, form in enumerate(forms)}
    markers = {form: "osv^D<>pP*X"[index % 11] for index, form in enumerate(forms)}
    for form in forms:
        style = {"color": colors[form], "marker": markers[form], "markersize": 4, "linewidth": 1.2}
        runs = sorted(times.get(form, {}).items())
        if runs:
            sizes = [m for m, _ in runs]
            time.plot(sizes, [run["milliseconds_per_step"] for _, run in runs], label=form, **style)
            memory.plot(sizes, [run["peak_memory_bytes"] / 2**20 for _, run in runs], **style)
        points = sorted(accuracies.get(form, {}).items())
        if not points:
            continue
        means = [100 * statistics.mean(run["format_accuracy"] for run in runs) for _, runs in points]
        by_batch.plot([m for m, _ in points], means, **style)
        for m, runs in points:
            values = [100 * run["format_accuracy"] for run in runs]
            by_batch.plot([m] * len(values), values, linestyle="", marker=".", color=colors[form], alpha=0.35)
        spent = lambda run: run["milliseconds_per_step"] * run["steps"] / 1e3
        seconds = [statistics.median(map(spent, runs)) for _, runs in points]
        by_time.plot(seconds, means, **style)
        for (m, _), x, y in zip(points, seconds, means):
            by_time.annotate(str(m), (x, y), fontsize=6, xytext=(3, 3), textcoords="offset points")
    for axes, x, y in (
        (time, "rows of a batch", "milliseconds a step"),
        (memory, "rows of a batch", "peak memory, MiB"),
        (by_batch, "rows of a batch", "accuracy on held-out data, %"),
        (by_time, "seconds of training steps (rows of a batch beside the point)", "accuracy on held-out data, %"),
    ):
        axes.set_xlabel(x)
        axes.set_ylabel(y)
        axes.set_xscale("log", base=10 if axes is by_time else 2)
    time.set_yscale("log")
    for axes in (time, memory, by_batch):
        axes.xaxis.set_major_formatter(matplotlib.ticker.ScalarFormatter())
    time.legend(fontsize=7)
    figure.savefig(path.with_suffix(".svg"), metadata={"Date": None})
    figure.savefig(path.with_suffix(".png"), dpi=130)
    return f"{path.with_suffix('.svg')}, {path.with_suffix('.png')}"
