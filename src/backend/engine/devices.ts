/** Which devices work on this machine, which one `auto` takes, and why: said out loud, because speed hangs on it. */
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
  /** The hardware's name where the device works, else what the device is. */
  readonly description: string;
  /** Why it does not work, and what would help; a remark, or nothing, where it does. */
  readonly reason: string;
  /** Computes on the processor although it is a graphics device: for tests, slower than `cpu`. */
  readonly software: boolean;
}

const kinds: Readonly<Record<RealDeviceName, { readonly title: string; readonly needs: string }>> = {
  cpu: { title: "the processor", needs: "" },
  webgpu: {
    title: "any graphics card, through Vulkan, Direct3D 12 or Metal",
    needs:
      "It needs a graphics driver with Vulkan (on Linux also the package libvulkan1), Direct3D 12 or Metal.",
  },
  cuda: {
    title: "an NVIDIA card, through CUDA",
    needs:
      "It needs Linux on x64, an NVIDIA driver, CUDA 12, cuDNN 9 and ONNX Runtime's CUDA libraries, which npm leaves " +
      "out: npm rebuild onnxruntime-node --ignore-scripts=false --onnxruntime-node-install=cuda12.",
  },
  dml: { title: "any graphics card, through DirectML", needs: "It needs Windows 10 or newer." },
  coreml: { title: "Apple's accelerators, through Core ML", needs: "It needs macOS on Apple silicon." },
};

const realDevices = deviceNames.filter((name) => name !== "auto");

/**
 * What `auto` tries, best first. CUDA's libraries are there only if somebody installed them on purpose. WebGPU comes
 * before DirectML because state stays on the device there. Core ML is never taken unasked: it computes in half
 * precision and leaves most of a training step to the processor.
 */
export function automaticOrder(platform: NodeJS.Platform): readonly RealDeviceName[] {
  if (platform === "darwin") return ["webgpu", "cpu"];
  return platform === "win32" ? ["cuda", "webgpu", "dml", "cpu"] : ["cuda", "webgpu", "cpu"];
}

/** Every device with whether it works here; those that may crash are tried in a process of their own. */
export async function listDevices(): Promise<DeviceReport[]> {
  return Promise.all(realDevices.map(examine));
}

/** The device that a name stands for, or the error that says why there is none. */
export async function chooseDevice(name: DeviceName): Promise<Device> {
  if (!deviceNames.includes(name)) throw unknownDevice(name);
  if (name === "auto") return chooseAutomatically();
  const report = await examine(name);
  if (!report.works)
    throw new WorkbenchError(
      "device-failed",
      `The device ${name} does not work here: ${report.reason} Choose --device cpu, or run "lathe devices" to see what works.`,
      { allowed: deviceNames, device: name },
    );
  const notices = report.software
    ? [`${name} computes on the processor here (${report.description}): cpu would be faster.`]
    : [];
  return { name, description: report.description, reason: "asked for by name", notices };
}

async function chooseAutomatically(): Promise<Device> {
  const refused: string[] = [];
  for (const name of automaticOrder(process.platform)) {
    const report = await examine(name);
    if (!report.works) refused.push(`${name} does not work here (${brief(report.reason)})`);
    else if (report.software) refused.push(`${name} has only a software driver (${report.description})`);
    else {
      const reason = `auto: ${[...refused, `${refused.length > 0 ? "so " : ""}${name}`].join(", ")}`;
      const notices = name === "cpu" ? [`Running on the processor: ${refused.join("; ")}.`] : [];
      return { name, description: report.description, reason, notices };
    }
  }
  throw new WorkbenchError("device-failed", `No device works here: ${refused.join("; ")}.`);
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
    return fails(`ONNX Runtime for ${process.platform}-${process.arch} comes without it`);
  if (name === "cpu") return { name, works: true, software: false, description: processor(), reason: "" };
  const [answer, cards] = await Promise.all([probe(name), graphicsCards()]);
  if (!answer.works) return fails(answer.reason);
  const software = softwareDriver(answer);
  const description = software ?? (cards.length > 0 ? cards.join(", ") : title);
  const reason = software === undefined ? "" : "a software driver, for tests";
  return { name, works: true, software: software !== undefined, description, reason };
}

/** WebGPU does not tell its adapter's name, but the process that used it has the driver's library loaded. */
function softwareDriver(answer: Probe & { works: true }): string | undefined {
  const loaded = (pattern: RegExp) => answer.libraries.some((library) => pattern.test(library));
  if (loaded(/vk_swiftshader/i)) return "SwiftShader, a Vulkan driver in software";
  if (loaded(/d3d10warp/i)) return "WARP, a Direct3D driver in software";
  return undefined;
}

let cards: Promise<readonly string[]> | undefined;

function graphicsCards(): Promise<readonly string[]> {
  cards ??= graphics().then(
    ({ controllers }) =>
      [...new Set(controllers.map(({ model }) => model.trim()))].filter((model) => model !== ""),
    // The name is a courtesy; not learning it must not keep anybody from using the card.
    () => [],
  );
  return cards;
}

function processor(): string {
  const model = cpus()[0]?.model.trim();
  return `${model === undefined || model === "" ? process.arch : model}, ${availableParallelism()} threads`;
}

function unknownDevice(name: string): WorkbenchError {
  const nearest = closest(name, [...deviceNames]);
  return new WorkbenchError(
    "invalid-input",
    `There is no device "${name}". Use one of ${deviceNames.join(", ")}; the nearest is ${nearest}.`,
    { allowed: deviceNames, nearest },
  );
}

function brief(reason: string): string {
  return reason.split(/\.\s/, 1)[0]!.replace(/\.$/, "");
}
