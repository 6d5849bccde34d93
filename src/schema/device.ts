/** The names of devices that an experiment, an option or a setting may select. */
import * as z from "zod";

/** Devices of PyTorch, best first: `torch` is the first that works. */
export const torchDeviceNames = ["torch:cuda", "torch:mps", "torch:xpu", "torch:cpu"] as const;

export const deviceNames = [
  "auto",
  "cpu",
  "webgpu",
  "cuda",
  "dml",
  "coreml",
  "torch",
  ...torchDeviceNames,
] as const;

export type DeviceName = (typeof deviceNames)[number];
export type TorchDeviceName = (typeof torchDeviceNames)[number];

export const deviceSchema = z
  .enum(deviceNames)
  .default("auto")
  .describe(
    "Device to run on. `auto` selects the fastest that works. `torch` selects the best device of PyTorch: `torch:cuda`, `torch:mps`, `torch:xpu` or `torch:cpu`.",
  );
