/** Opens a device with the engine that it belongs to. Callers see no difference. */
import type { DeviceName } from "../../schema/experiment";
import { chooseDevice } from "./devices";
import type { Device, Engine, EngineOptions } from "./engine";
import { openOnnxRuntime } from "./onnxRuntime";
import { openTorch } from "./torch/torchEngine";

export async function openEngine(name: DeviceName, options: EngineOptions = {}): Promise<Engine> {
  const device = await (isTorchDevice(name) ? describeTorchDevice(name) : chooseDevice(name));
  return isTorchDevice(device.name) ? openTorch(device, options) : openOnnxRuntime(device, options);
}

function isTorchDevice(name: string): boolean {
  return name.split(":", 1)[0] === "torch";
}

function describeTorchDevice(name: string): Device {
  return { name: name as Device["name"], description: "PyTorch", reason: "selected by name", notices: [] };
}
