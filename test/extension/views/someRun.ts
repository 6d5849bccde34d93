/** Summaries of runs to show, each with its own row. */
import type { RunSummary } from "../../../src/protocol/service/runs";

let made = 0;

/** A finished run, newer than those created before it, with the given changes. */
export function someRun(given: Partial<RunSummary> = {}): RunSummary {
  const number = ++made;
  const id = given.id ?? `first-20260101-${String(number).padStart(6, "0")}-00aa`;
  return {
    folder: `/study/.lathe/runs/${id}`,
    id,
    name: "first",
    experiment: "/study/first.lathe.md",
    variant: "",
    sweep: {},
    seed: 0,
    state: "done",
    createdAt: new Date(Date.UTC(2026, 0, 1) + number * 1000).toISOString(),
    metrics: {},
    notices: [],
    tags: [],
    notes: "",
    star: false,
    ...given,
  };
}

export const loss = (last: number): RunSummary["metrics"] => ({
  "train/loss": { last, min: last, max: last },
});

/** The worst content of a name: markup, commands, pictures, terminal escapes, reversed text, lines, lone surrogates. */
export const hostile =
  "<img src=x onerror=alert(1)> [quit](command:workbench.action.quit) $(zap) **b** `c` https://example.com www.example.com a@b.example" +
  "\u001b[31m\u0007\u202e\u2066 | x\r\n# head\n===\n- item\u0000\ud800 &lt;";
