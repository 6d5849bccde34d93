import { expect, test } from "vitest";
import type { Alert } from "../../../src/protocol/service/runs";
import { presentAlert, createAlertMemory, isShown } from "../../../src/extension/views/runTree/presentAlert";
import { hostile, someRun } from "./someRun";

const alert = (kind: Alert["kind"], message = "the loss is 9.2"): Alert => ({
  kind,
  run: "/run",
  name: "grouped",
  message,
});
const titles = (kind: Alert["kind"], state: "running" | "done" | "failed") =>
  presentAlert(alert(kind), someRun({ state })).actions.map(({ title }) => title);

test("each kind offers the actions that are still possible", () => {
  expect(titles("spike", "running")).toEqual(["Open Charts", "Stop"]);
  expect(titles("spike", "done")).toEqual(["Open Charts"]);
  expect(titles("not-a-number", "failed")).toEqual(["Open Charts", "Show Log"]);
  expect(titles("plateau", "running")).toEqual(["Open Charts", "Stop"]);
  expect(titles("low-disk", "running")).toEqual(["Open Runs", "Stop"]);
  expect(titles("done", "done")).toEqual(["Open Charts", "Show Parameters"]);
  expect(titles("failed", "failed")).toEqual(["Show Log", "Resume"]);
  // The alert of a failure may arrive before the run's new state.
  expect(titles("failed", "running")).toEqual(["Show Log", "Resume"]);
});

test("a notification names the run once", () => {
  expect(presentAlert(alert("spike"), undefined).text).toBe("grouped: the loss is 9.2");
  expect(presentAlert(alert("done", "grouped is done."), undefined).text).toBe("grouped is done.");
});

test("a name cannot create a link, a second line or an escape sequence in a notification", () => {
  const { text } = presentAlert({ ...alert("failed", hostile), name: hostile }, undefined);
  expect(text).not.toMatch(/\]\(/);
  // eslint-disable-next-line no-control-regex -- control characters are what must not be there
  expect(text).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/);
  expect(text.length).toBeLessThan(1200);
});

test("the setting keeps what is no problem to itself, or everything", () => {
  const kinds: readonly Alert["kind"][] = [
    "not-a-number",
    "spike",
    "plateau",
    "overfitting",
    "low-disk",
    "failed",
    "done",
  ];
  const shown = (setting: "all" | "problems" | "none") =>
    kinds.filter((kind) => isShown(alert(kind), setting));
  expect(shown("all")).toEqual(kinds);
  expect(shown("problems")).toEqual(kinds.slice(0, -1));
  expect(shown("none")).toEqual([]);
});

test("the same alert is shown once, and again if the run has continued since", () => {
  const memory = createAlertMemory();
  expect(memory.isNew(alert("done"))).toBe(true);
  expect(memory.isNew(alert("done"))).toBe(false);
  expect(memory.isNew(alert("spike"))).toBe(true);
  expect(memory.isNew(alert("spike", "another one"))).toBe(true);
  memory.forget("/run");
  expect(memory.isNew(alert("done"))).toBe(true);
});
