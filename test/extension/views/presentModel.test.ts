import { expect, test } from "vitest";
import type { ModelEntry } from "../../../src/protocol/service/models";
import {
  listCards,
  presentCard,
  presentDevice,
  presentInterpreter,
} from "../../../src/extension/views/deviceTree/presentDevice";
import {
  groupModels,
  presentModel,
  presentModelGroup,
} from "../../../src/extension/views/modelTree/presentModel";
import { hostile, someRun } from "./someRun";

const run = someRun({ name: "grouped" });
const model = (given: Partial<ModelEntry>): ModelEntry => ({
  path: `/study/${given.step ?? 0}-${given.modifiedAt ?? ""}`,
  kind: "checkpoint",
  run: run.folder,
  title: "grouped, step 100",
  family: "phi3",
  bytes: 1_234_567,
  modifiedAt: "2026-01-01T00:00:00Z",
  ...given,
});

test("models are shown below the run that created them, newest first", () => {
  const { run: _, ...foreign } = model({
    kind: "export",
    title: "tiny.onnx",
    modifiedAt: "2026-02-01T00:00:00Z",
  });
  const groups = groupModels(
    [model({ step: 100 }), foreign, model({ step: 200 }), model({ run: "/unknown", title: "gone" })],
    (folder) => (folder === run.folder ? run : undefined),
  );
  const drawn = groups.map((group) => {
    const { label, description = "", contextValue } = presentModelGroup(group);
    return [
      `${contextValue} ${label}: ${description}`,
      ...group.models.map((each) => presentModel(each).label),
    ];
  });
  expect(drawn).toEqual([
    ["models Other models: 1 model · 1.23 MB", "tiny.onnx"],
    ["models.made grouped: 2 models · 2.47 MB", "Checkpoint, step 200", "Checkpoint, step 100"],
    ["models gone: 1 model · 1.23 MB", "gone"],
  ]);
  expect(groups[1]).toMatchObject({ run });
});

test("a model shows its size, family and step", () => {
  expect(presentModel({ kind: "model", model: model({ step: 1200 }) })).toMatchObject({
    label: "Checkpoint, step 1,200",
    description: "1.23 MB · phi3",
    contextValue: "model.checkpoint",
  });
  expect(
    presentModel({ kind: "model", model: model({ kind: "export", title: "out.onnx", step: 5, bytes: 12 }) }),
  ).toMatchObject({
    label: "out.onnx",
    description: "12 B · phi3 · step 5",
    contextValue: "model.export",
    spoken: "out.onnx, exported model, 12 B, phi3, step 5",
  });
});

test("a device shows whether it works, why not, and whether it is selected", () => {
  const cpu = { name: "cpu", works: true, description: "8 cores", memoryBytes: 16e9 };
  const cuda = { name: "cuda", works: false, description: "an NVIDIA card", reason: "There is no driver." };
  expect(presentDevice({ kind: "device", device: cpu }, true)).toMatchObject({
    description: "chosen · 8 cores · 16.00 GB memory",
    contextValue: "device.works.chosen",
    spoken: "cpu, works, chosen, 8 cores, 16.00 GB memory",
  });
  expect(presentDevice({ kind: "device", device: cuda }, false)).toMatchObject({
    description: "does not work here: There is no driver. · an NVIDIA card",
    contextValue: "device.fails",
  });
});

test("a device of PyTorch opens to its cards with their memory", () => {
  const cards = [
    { name: "H200", totalBytes: 150e9, freeBytes: 149e9 },
    { name: "L4", totalBytes: 24e9 },
  ];
  const device = { name: "torch:cuda", works: true, description: "H200", memoryBytes: 24e9, cards };
  expect(presentDevice({ kind: "device", device }, false).children).toBe("collapsed");
  expect(listCards({ kind: "device", device }).map(presentCard)).toMatchObject([
    { label: "Card 0", description: "H200 · 149.00 GB of 150.00 GB memory free", children: "none" },
    { label: "Card 1", description: "L4 · 24.00 GB memory", contextValue: "card" },
  ]);
});

test("an interpreter shows its versions and whether it is used, or why it cannot be", () => {
  const path = "/usr/bin/python3";
  const works = { path, source: "PATH", isUsed: true, python: "3.12.1", torch: "2.9.0", reason: "" };
  expect(presentInterpreter({ kind: "interpreter", interpreter: works })).toMatchObject({
    label: "Python 3.12.1",
    description: "used by devices of PyTorch · PyTorch 2.9.0 · /usr/bin/python3",
    contextValue: "interpreter.used",
    tooltip: expect.stringMatching(/From PATH$/) as string,
  });
  const fails = { path, source: "PATH", isUsed: false, reason: "PyTorch is not installed." };
  expect(presentInterpreter({ kind: "interpreter", interpreter: fails })).toMatchObject({
    label: "Python",
    description: "/usr/bin/python3 · PyTorch is not installed.",
    icon: { id: "circle-slash" },
  });
});

test("text of a model or a device is only text", () => {
  const faces = [
    presentModel({
      kind: "model",
      model: model({ kind: "export", title: hostile, family: hostile, path: hostile, modifiedAt: hostile }),
    }),
    presentDevice(
      { kind: "device", device: { name: hostile, works: false, description: hostile, reason: hostile } },
      false,
    ),
  ];
  for (const { label, description, tooltip } of faces) {
    // eslint-disable-next-line no-control-regex -- control characters are what must not be there
    expect(`${label}${description!}`).not.toMatch(/[\u0000-\u001f\u202e]/);
    expect(tooltip).not.toMatch(/https?:\/\/|www\.|\$\(|[^\\]<|[^\\]\]\(/);
  }
});
