/** Opens a device with the engine that it belongs to. Callers see no difference. */
import type { DeviceName } from "../../schema/device";
import { chooseDevice } from "./devices";
import { type Engine, type EngineOptions, isTorchDevice } from "./engine";
import { openOnnxRuntime } from "./onnxRuntime";
import { openTorch } from "./torch/torchEngine";

export async function openEngine(name: DeviceName, options: EngineOptions = {}): Promise<Engine> {
  const device = await chooseDevice(name);
  return isTorchDevice(device.name) ? openTorch(device, options) : openOnnxRuntime(device, options);
}
