/**
 * Finds the devices that work on this machine and chooses one for `auto`. The choice is reported because it determines
 * speed. Devices of PyTorch are asked for only by name, or if `auto` finds a card that PyTorch can use: see
 * `torch/torchDevices.ts`.
 */
import { existsSync } from "node:fs";
import { availableParallelism, cpus, totalmem } from "node:os";
import { closest } from "fastest-levenshtein";
import { graphics } from "systeminformation";
import { toWorkbenchError, WorkbenchError } from "../../protocol/errors";
import { type DeviceName, deviceNames, type TorchDeviceName } from "../../schema/device";
import { type Device, isTorchDevice, type RuntimeDeviceName } from "./engine";
import { type Probe, probe } from "./probe";
import { loadRuntime } from "./runtime";
import {
  type Card,
  findTorch,
  selectTorchDevice,
  type TorchDevice,
  type TorchInstallation,
} from "./torch/torchDevices";

export interface DeviceReport {
  /** `torch` is listed in place of its devices if there is no PyTorch to ask. */
  readonly name: Exclude<DeviceName, "auto">;
  readonly works: boolean;
  /** Name of the hardware if the device works, otherwise a general description. */
  readonly description: string;
  /** If the device does not work, why and how to fix it; otherwise a remark or an empty string. */
  readonly reason: string;
  /** True for a graphics device that is emulated on the CPU: for tests, slower than `cpu`. */
  readonly software: boolean;
  /** Memory in bytes of the device, or of one of its cards, if it is known. */
  readonly memoryBytes?: number;
  /** Graphics cards of a device of PyTorch, with their memory. */
  readonly cards?: readonly Card[];
}

const kinds: Readonly<Record<RuntimeDeviceName, { readonly title: string; readonly needs: string }>> = {
  cpu: { title: "the CPU", needs: "" },
  webgpu: {
    title: "any GPU, through Vulkan, Direct3D 12 or Metal",
    needs:
      "It requires a graphics driver with Vulkan (on Linux, also the package libvulkan1), Direct3D 12 or Metal.",
  },
  cuda: {
    title: "an NVIDIA GPU, through CUDA",
    needs:
      "It requires Linux on x64, an NVIDIA driver, CUDA 12, cuDNN 9 and ONNX Runtime's CUDA libraries. To install these: " +
      "npm rebuild onnxruntime-node --ignore-scripts=false --onnxruntime-node-install=cuda12.",
  },
  dml: { title: "any GPU, through DirectML", needs: "It requires Windows 10 or later." },
  coreml: { title: "Apple's accelerators, through Core ML", needs: "It requires macOS on Apple silicon." },
};

const runtimeDevices = deviceNames.filter(
  (name): name is RuntimeDeviceName => name !== "auto" && !isTorchDevice(name),
);

/**
 * The devices that `auto` tries, best first. CUDA's libraries are present only if the user installed them. WebGPU comes
 * before DirectML because it keeps state on the device. Core ML is never chosen automatically: it computes in half
 * precision and leaves most of a training step to the CPU. Where a card and its driver are present, `torch:cuda` is tried
 * before them.
 */
export function getAutomaticOrder(platform: NodeJS.Platform): readonly RuntimeDeviceName[] {
  if (platform === "darwin") return ["webgpu", "cpu"];
  return platform === "win32" ? ["cuda", "webgpu", "dml", "cpu"] : ["cuda", "webgpu", "cpu"];
}

/** Lists every device and whether it works. Devices that may crash are tried in a child process. */
export async function listDevices(): Promise<DeviceReport[]> {
  const [devices, torchDevices] = await Promise.all([
    Promise.all(runtimeDevices.map(examine)),
    listTorchDevices(),
  ]);
  return [...devices, ...torchDevices];
}

async function listTorchDevices(): Promise<DeviceReport[]> {
  try {
    const installation = await findTorch();
    return installation.devices.map((device) => ({
      name: device.name,
      works: device.works,
      description: describeTorchDevice(device, installation),
      reason: device.reason,
      software: false,
      ...getTorchMemory(device),
      cards: device.cards,
    }));
  } catch (thrown) {
    const { message } = toWorkbenchError(thrown);
    return [{ name: "torch", works: false, description: "PyTorch", reason: message, software: false }];
  }
}

export interface ChooseOptions {
  /** Whether `auto` looks for PyTorch, which takes a few seconds. Default: whether a driver that it can use is present. */
  readonly hasTorchCard?: boolean;
}

/** Finds out whether the device with this name works, and which one `auto` and `torch` are. Throws if it does not work. */
export async function chooseDevice(
  name: DeviceName,
  { hasTorchCard = hasComputeDriver() }: ChooseOptions = {},
): Promise<Device> {
  if (!deviceNames.includes(name)) throw unknownDeviceError(name);
  if (name === "auto") return chooseAutomatically(hasTorchCard);
  if (isTorchDevice(name)) return chooseTorchDevice(name);
  const report = await examine(name);
  if (!report.works)
    throw new WorkbenchError(
      "device-failed",
      `Device "${name}" does not work on this machine: ${report.reason} Use --device cpu, or run "lathe devices" to list the devices that work.`,
      { allowed: deviceNames, device: name },
    );
  const notices = report.software
    ? [`${name} runs on the CPU here (${report.description}); the device cpu is faster.`]
    : [];
  return { name, description: report.description, reason: "selected by name", notices };
}

async function chooseTorchDevice(name: TorchDeviceName | "torch"): Promise<Device> {
  const installation = await findTorch();
  const device = selectTorchDevice(installation, name);
  const { python, interpreter } = installation;
  const program = `Python ${python}, ${interpreter.path}, from ${interpreter.source}`;
  return {
    name: device.name,
    description: describeTorchDevice(device, installation),
    reason: name === "torch" ? `the best device of PyTorch (${program})` : `selected by name (${program})`,
    notices: [],
    ...getTorchMemory(device),
  };
}

function describeTorchDevice({ name, cards }: TorchDevice, { torch }: TorchInstallation): string {
  const [first] = cards;
  const count = cards.length > 1 ? `, the first of ${cards.length} cards` : "";
  const hardware =
    first === undefined
      ? name === "torch:cpu"
        ? describeProcessor()
        : torchKinds[name]
      : `${first.name}${count}`;
  return `${hardware}, PyTorch ${torch}`;
}

const torchKinds: Readonly<Record<TorchDeviceName, string>> = {
  "torch:cuda": "an NVIDIA or AMD GPU",
  "torch:mps": "an Apple GPU",
  "torch:xpu": "an Intel GPU",
  "torch:cpu": "the CPU",
};

function getTorchMemory({ name, cards }: TorchDevice): { readonly memoryBytes?: number } {
  if (name === "torch:cpu") return { memoryBytes: totalmem() };
  return cards.length === 0 ? {} : { memoryBytes: Math.min(...cards.map(({ totalBytes }) => totalBytes)) };
}

/** Whether opening this device, which a plan names, may start Python. */
export function mayUsePython(device: string): boolean {
  return device === "auto" ? hasComputeDriver() : isTorchDevice(device);
}

/**
 * Whether the driver of an NVIDIA card, or of an AMD card for ROCm, is present. Only a look at files, so that `auto` is as
 * fast as before where PyTorch could not use a card anyway.
 */
function hasComputeDriver(): boolean {
  if (process.platform === "win32")
    return existsSync(`${process.env.SystemRoot ?? "C:\\Windows"}\\System32\\nvcuda.dll`);
  return ["/proc/driver/nvidia/version", "/dev/nvidiactl", "/dev/dxg", "/dev/kfd"].some((path) =>
    existsSync(path),
  );
}

async function chooseAutomatically(hasTorchCard: boolean): Promise<Device> {
  const refusals: string[] = [];
  if (hasTorchCard)
    try {
      const device = await chooseTorchDevice("torch:cuda");
      return { ...device, reason: device.reason.replace("selected by name", "auto: torch:cuda") };
    } catch (thrown) {
      refusals.push(`torch:cuda does not work here (${shortenReason(toWorkbenchError(thrown).message)})`);
    }
  for (const name of getAutomaticOrder(process.platform)) {
    const report = await examine(name);
    if (!report.works) refusals.push(`${name} does not work here (${shortenReason(report.reason)})`);
    else if (report.software) refusals.push(`${name} has only a software driver (${report.description})`);
    else {
      const reason = `auto: ${[...refusals, `${refusals.length > 0 ? "so " : ""}${name}`].join(", ")}`;
      const notices = name === "cpu" ? [`Running on the CPU: ${refusals.join("; ")}.`] : [];
      return { name, description: report.description, reason, notices };
    }
  }
  throw new WorkbenchError("device-failed", `No device works on this machine: ${refusals.join("; ")}.`);
}

async function examine(name: RuntimeDeviceName): Promise<DeviceReport> {
  const { title, needs } = kinds[name];
  const fails = (reason: string) => ({
    name,
    works: false,
    software: false,
    description: title,
    reason: `${reason}. ${needs}`.trim(),
  });
  const runtime = await loadRuntime();
  if (!runtime.listSupportedBackends().some((backend) => backend.name === name))
    return fails(`ONNX Runtime for ${process.platform}-${process.arch} does not include it`);
  if (name === "cpu")
    return {
      name,
      works: true,
      software: false,
      description: describeProcessor(),
      reason: "",
      memoryBytes: totalmem(),
    };
  const [answer, cards] = await Promise.all([probe(name), listGraphicsCards()]);
  if (!answer.works) return fails(answer.reason);
  const software = findSoftwareDriver(answer);
  const description = software ?? (cards.length > 0 ? cards.join(", ") : title);
  const reason = software === undefined ? "" : "a software driver, for tests";
  return { name, works: true, software: software !== undefined, description, reason };
}

/** WebGPU does not report its adapter's name, but the process that used it has the driver's library loaded. */
function findSoftwareDriver(answer: Probe & { works: true }): string | undefined {
  const hasLoaded = (pattern: RegExp) => answer.libraries.some((library) => pattern.test(library));
  if (hasLoaded(/vk_swiftshader/i)) return "SwiftShader, a software Vulkan driver";
  if (hasLoaded(/d3d10warp/i)) return "WARP, a software Direct3D driver";
  return undefined;
}

let cards: Promise<readonly string[]> | undefined;

function listGraphicsCards(): Promise<readonly string[]> {
  cards ??= graphics().then(
    ({ controllers }) =>
      [...new Set(controllers.map(({ model }) => model.trim()))].filter((model) => model !== ""),
    // The name is informational; the device is usable without it.
    () => [],
  );
  return cards;
}

function describeProcessor(): string {
  const model = cpus()[0]?.model.trim();
  return `${model === undefined || model === "" ? process.arch : model}, ${availableParallelism()} threads`;
}

function unknownDeviceError(name: string): WorkbenchError {
  const nearest = closest(name, [...deviceNames]);
  return new WorkbenchError(
    "invalid-input",
    `Unknown device "${name}". Allowed: ${deviceNames.join(", ")}. Did you mean "${nearest}"?`,
    { allowed: deviceNames, nearest },
  );
}

function shortenReason(reason: string): string {
  return reason.split(/\.\s/, 1)[0]!.replace(/\.$/, "");
}
