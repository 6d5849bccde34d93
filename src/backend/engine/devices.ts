/** Finds the devices that work on this machine and chooses one for `auto`. The choice is reported because it determines speed. */
import { availableParallelism, cpus } from "node:os";
import { closest } from "fastest-levenshtein";
import { graphics } from "systeminformation";
import { WorkbenchError } from "../../protocol/errors";
import { type DeviceName, deviceNames } from "../../schema/experiment";
import type { Device, RealDeviceName } from "./engine";
import { type Probe, probe } from "./probe";
import { loadRuntime } from "./runtime";

export interface DeviceReport {
  readonly name: RealDeviceName;
  readonly works: boolean;
  /** Name of the hardware if the device works, otherwise a general description. */
  readonly description: string;
  /** If the device does not work, why and how to fix it; otherwise a remark or an empty string. */
  readonly reason: string;
  /** True for a graphics device that is emulated on the CPU: for tests, slower than `cpu`. */
  readonly software: boolean;
}

const kinds: Readonly<Record<RealDeviceName, { readonly title: string; readonly needs: string }>> = {
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

const realDevices = deviceNames.filter((name) => name !== "auto");

/**
 * The devices that `auto` tries, best first. CUDA's libraries are present only if the user installed them. WebGPU comes
 * before DirectML because it keeps state on the device. Core ML is never chosen automatically: it computes in half
 * precision and leaves most of a training step to the CPU.
 */
export function getAutomaticOrder(platform: NodeJS.Platform): readonly RealDeviceName[] {
  if (platform === "darwin") return ["webgpu", "cpu"];
  return platform === "win32" ? ["cuda", "webgpu", "dml", "cpu"] : ["cuda", "webgpu", "cpu"];
}

/** Lists every device and whether it works. Devices that may crash are tried in a child process. */
export async function listDevices(): Promise<DeviceReport[]> {
  return Promise.all(realDevices.map(examine));
}

/** Opens the device with this name. Throws if it does not work. */
export async function chooseDevice(name: DeviceName): Promise<Device> {
  if (!deviceNames.includes(name)) throw unknownDeviceError(name);
  if (name === "auto") return chooseAutomatically();
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

async function chooseAutomatically(): Promise<Device> {
  const refusals: string[] = [];
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

async function examine(name: RealDeviceName): Promise<DeviceReport> {
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
    return { name, works: true, software: false, description: describeProcessor(), reason: "" };
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
