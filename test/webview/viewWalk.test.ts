/** Random steps on the views above the table of runs: the axes, their ranges, the filter and the table agree. */
import { describe, it } from "vitest";
import { type Action, type Chance, walk } from "./randomWalk";
import { makeSweepRuns, optimizers, rates } from "./sweepRuns";
import { usePages, useWorkspace } from "./usePages";

const usualAxes = ["learning_rate", "optimizer", "hidden_size", "eval/loss"];
const ids: Readonly<Record<string, string>> = {
  learning_rate: "sweep:train.learning_rate",
  optimizer: "sweep:train.optimizer",
  hidden_size: "setting:model.hidden_size",
  "eval/loss": "eval/loss.last",
};
const kinds = ["Table", "Parallel coordinates", "Scatter", "Importance"];

interface Model {
  kind: string;
  /** Undefined for the usual ones. */
  axes: string[] | undefined;
  axis: string | undefined;
  from: number | undefined;
  to: number | undefined;
  optimizer: string | undefined;
  /** The fields with a range, in the order of their terms. */
  ranges: string[];
}

describe("a random walk", () => {
  const workspace = useWorkspace();
  const pages = usePages(workspace, () => {
    makeSweepRuns(workspace);
  });

  it("keeps the axes, their ranges, the filter and the count of runs equal to what was chosen", async () => {
    const page = await pages.harness.panel("runs", {}, { width: 1300, height: 900 });
    await page.page.getByRole("button", { name: "Parallel coordinates" }).click();
    await page.page.locator(".axes li", { hasText: "hidden_size" }).waitFor();
    const model: Model = {
      kind: "Parallel coordinates",
      axes: undefined,
      axis: undefined,
      from: undefined,
      to: undefined,
      optimizer: undefined,
      ranges: [],
    };
    await walk(page, model, choose, read, describeModel);
    await page.close();
  }, 600_000);
});

function choose(chance: Chance, { kind, axes = usualAxes, axis, ranges, optimizer }: Model): Action<Model> {
  const action = chance.below(kind === "Parallel coordinates" ? 16 : 1);
  const others = usualAxes.filter((each) => !axes.includes(each));
  if (action === 0) {
    const next = chance.pick([...kinds, "Parallel coordinates", "Parallel coordinates"]);
    return {
      script: `press(".views .toggle", "${next}")`,
      apply: (m) => Object.assign(m, { kind: next, axis: undefined }),
    };
  }
  if (action === 1 && others.length > 0) {
    const added = chance.pick(others);
    return {
      script: `select("Add an axis", "${ids[added]!}")`,
      apply: (m) => Object.assign(m, { axes: [...axes, added], axis: added }),
    };
  }
  if (action === 2)
    return {
      script: `named(".axes button", "Usual axes").click()`,
      apply: (m) =>
        m.axes === undefined ? undefined : Object.assign(m, { axes: undefined, axis: undefined }),
    };
  if (axes.length === 0) return { script: "0", apply: () => undefined };
  const target = chance.pick(axes);
  if (action === 3) {
    // The range of an axis that is not shown still filters, which may leave no difference on another.
    const isFree = !ranges.includes(target);
    return {
      script: isFree ? `named(".axes .remove", "Remove the axis ${target}").click()` : "0",
      apply: (m) => {
        if (!isFree) return;
        m.axes = axes.filter((each) => each !== target);
        if (m.axis === target) m.axis = undefined;
      },
    };
  }
  if (action === 4) {
    const step = chance.pick([-1, 1]);
    return {
      script: `key(named(".axes .name", "${target}"), "${step < 0 ? "ArrowLeft" : "ArrowRight"}", { altKey: true })`,
      apply: (m) => {
        const to = axes.indexOf(target) + step;
        if (to < 0 || to >= axes.length) return;
        m.axes = axes.filter((each) => each !== target);
        m.axes.splice(to, 0, target);
      },
    };
  }
  if (action > 8 && axis === "learning_rate") {
    const end = chance.pick(["from", "to"] as const);
    const value = chance.pick([undefined, ...rates]);
    return {
      script: `{ const box = named("input", "learning_rate ${end}"); box.value = "${value ?? ""}"; box.dispatchEvent(new Event("change", { bubbles: true })); }`,
      apply: (m) => {
        m[end] = value;
        setRange(m, "learning_rate", m.from !== undefined || m.to !== undefined);
      },
    };
  }
  if (action > 8 && axis === "optimizer") {
    const value = chance.pick(optimizers);
    const [other] = optimizers.filter((each) => each !== value);
    return {
      script: `all(".range .values label").find(({ title }) => title === "${value}").querySelector("input").click()`,
      apply: (m) => {
        // With both of them, or none, there is no choice.
        m.optimizer = optimizer === undefined ? other : undefined;
        setRange(m, "optimizer", m.optimizer !== undefined);
      },
    };
  }
  return {
    script: `named(".axes .name", "${target}").click()`,
    apply: (m) => (m.axis = m.axis === target ? undefined : target),
  };
}

/** With the first range, the usual axes become chosen ones. */
function setRange(model: Model, field: string, isSet: boolean): void {
  model.axes ??= [...usualAxes];
  model.ranges = [...model.ranges.filter((each) => each !== field), ...(isSet ? [field] : [])];
}

const read = `{
  kind: all(".views .toggle").filter((each) => each.getAttribute("aria-pressed") === "true").map((each) => each.textContent.trim()).join(),
  axes: all(".axes .name").map((each) => each.textContent.trim()),
  axis: all(".axes .name").filter((each) => each.getAttribute("aria-pressed") === "true").map((each) => each.textContent.trim()).join(),
  editor: document.querySelector(".range b")?.textContent ?? "",
  limits: all(".range .limit").map(({ value }) => value),
  ticks: all(".range .values input").map(({ checked }) => checked),
  filter: document.querySelector("vscode-textfield.filter").value,
  status: document.querySelector(".actions .status").textContent,
}`;

function describeModel({ kind, axes = usualAxes, axis, from, to, optimizer, ranges }: Model): unknown {
  const isParallel = kind === "Parallel coordinates";
  const terms: Readonly<Record<string, string>> = {
    learning_rate: [
      ...(from === undefined ? [] : [`train.learning_rate>=${from}`]),
      ...(to === undefined ? [] : [`train.learning_rate<=${to}`]),
    ].join(" "),
    optimizer: `train.optimizer=${optimizer ?? ""}`,
  };
  const count = Array.from({ length: 32 }, (_, i) => ({
    rate: rates[i % 5]!,
    own: optimizers[Math.floor(i / 5) % 2]!,
  })).filter(
    ({ rate, own }) =>
      (from === undefined || rate >= from) &&
      (to === undefined || rate <= to) &&
      (optimizer === undefined || own === optimizer),
  ).length;
  return {
    kind,
    axes: isParallel ? axes : [],
    axis: isParallel ? (axis ?? "") : "",
    editor: isParallel ? (axis ?? "") : "",
    limits:
      isParallel && axis !== undefined && axis !== "optimizer"
        ? (axis === "learning_rate" ? [from, to] : [undefined, undefined]).map((each) => String(each ?? ""))
        : [],
    ticks:
      isParallel && axis === "optimizer"
        ? optimizers.map((each) => optimizer === undefined || each === optimizer)
        : [],
    filter: ranges.map((each) => terms[each]!).join(" "),
    status: count === 32 ? "32 runs" : `${count} of 32 runs`,
  };
}
