/** Opens a device with the engine that it belongs to. Callers see no difference. */
import { WorkbenchError } from "../../protocol/errors";
import type { DeviceName } from "../../schema/device";
import { countProcesses } from "../../schema/parallel";
import { chooseDevice } from "./devices";
import { type Engine, type EngineOptions, isTorchDevice } from "./engine";
import { openOnnxRuntime } from "./onnxRuntime";
import { openTorch } from "./torch/torchEngine";

export async function openEngine(name: DeviceName, options: EngineOptions = {}): Promise<Engine> {
  const device = await chooseDevice(name);
  if (countProcesses(options.parallel) > 1 && !isTorchDevice(device.name))
    throw new WorkbenchError(
      "unsupported",
      `parallel requires a device of PyTorch; ${device.name} runs in one process. Set device to torch:cuda or torch:cpu.`,
    );
  return isTorchDevice(device.name) ? openTorch(device, options) : openOnnxRuntime(device, options);
}
