/** Commands that cannot be executed, and the error message of each. */
import { exporters } from "../../src/backend/exports/catalog";
import { type Case, trainKeys } from "./badExperiments";

export const badCommands: readonly Case[] = [
  {
    what: "a variant in an experiment without variants",
    args: ["run", "good.lathe.md", "--variant", "small"],
    message: "--variant small: good.lathe.md has no variants. Leave the option out.",
  },
  {
    what: "an unknown device",
    args: ["run", "good.lathe.md", "--device", "gpu"],
    message:
      '--device: unknown value "gpu" of device. Did you mean "webgpu"? Allowed: auto, cpu, webgpu, cuda, dml, coreml, torch, torch:cuda, torch:mps, torch:xpu, torch:cpu.',
  },
  {
    what: "a setting without a value",
    args: ["run", "good.lathe.md", "--set", "train.max_steps"],
    message: "--set train.max_steps: write a path and a value, such as --set train.max_steps=100.",
  },
  {
    what: "a setting of an unknown key",
    args: ["run", "good.lathe.md", "--set", "train.max_step=3"],
    message: `--set train.max_step: unknown key "max_step" in train. Did you mean "max_steps"? Allowed: ${trainKeys}.`,
  },
  {
    what: "a setting of a wrong type",
    args: ["run", "good.lathe.md", "--set", "train.max_steps=few"],
    message: '--set train.max_steps: train.max_steps has to be a whole number, not "few".',
  },
  {
    what: "a setting that is not YAML",
    args: ["run", "good.lathe.md", "--set", "train.max_steps=[1"],
    message: "--set train.max_steps=[1: not valid YAML: flow sequence must end with a ].",
  },
  {
    what: "an invalid seed",
    args: ["run", "good.lathe.md", "--seed", "x"],
    message: "option '--seed <number>' argument 'x' is invalid. Write a whole number.",
  },
  {
    what: "an unknown option",
    args: ["run", "good.lathe.md", "--fast"],
    message: "unknown option '--fast'",
  },
  {
    what: "a missing experiment",
    args: ["run", "nowhere.lathe.md"],
    message: "There is no experiment nowhere.lathe.md. Check the path.",
  },
  {
    what: "a folder instead of an experiment",
    args: ["run", "."],
    message: ". is a folder. Name an experiment file, such as ./first.lathe.md.",
  },
  {
    what: "a picture instead of an experiment",
    args: ["run", "picture.png"],
    message: "picture.png:1:1: the file is not valid UTF-8. Save it as UTF-8, or choose another.",
  },
  {
    what: "a text instead of an experiment",
    args: ["run", "text.txt"],
    message:
      "text.txt:1:1: the file has no cell. Write a block that starts with ```yaml and contains keys such as model or train.",
  },
  {
    what: "a file without cells to count",
    args: ["params", "text.txt"],
    message:
      "text.txt:1:1: the file has no cell. Write a block that starts with ```yaml and contains keys such as model or train.",
  },
  {
    what: "a plan of a missing experiment",
    args: ["plan", "nowhere.lathe.md"],
    message: "There is no experiment nowhere.lathe.md. Check the path.",
  },
  {
    what: "a run that does not exist",
    args: ["show", "nothing", "--out", "runs"],
    message: "No run nothing in WORKSPACE/runs. The nearest is small-ID; `lathe runs` lists all.",
  },
  {
    what: "a run in a workspace without runs",
    args: ["attach", "last"],
    message: "There are no runs in WORKSPACE/.lathe/runs. Start one with `lathe run FILE`.",
  },
  {
    what: "a prefix of two runs",
    args: ["show", "small", "--out", "two"],
    message: "small matches 2 runs: small-ID, small-ID. Give more of the id.",
  },
  {
    what: "resuming a finished run",
    args: ["resume", "last", "--out", "runs"],
    message: "small-ID is done. To train it further, raise its steps with --set train.max_steps=N.",
  },
  {
    what: "stopping a finished run",
    args: ["stop", "last", "--out", "runs"],
    message: "small-ID is done; only an active run accepts stop.",
  },
  {
    what: "a missing model",
    args: ["inspect", "nowhere"],
    message:
      "There is no model nowhere: no file, folder or run has that name. There are no runs in WORKSPACE/.lathe/runs. Start one with `lathe run FILE`.",
  },
  {
    what: "generating with a truncated model",
    args: ["generate", "cut"],
    message:
      "WORKSPACE/cut/model.safetensors has changed since it was written: 3000 bytes instead of 14168. Use another checkpoint of the run.",
  },
  {
    what: "an unknown export format",
    args: ["export", "checkpoint", "--format", "pickle", "--out", "new"],
    message: `--format is ${Object.keys(exporters).join(", ")}, csv or tensorboard.`,
  },
];
