/**
 * A WebGPU adapter for tests: the machine's own if it has one, else SwiftShader, the software Vulkan driver that
 * Debian's package `chromium` includes. Import this before anything opens a device.
 */
import { existsSync, readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { probe } from "../../src/backend/engine/probe";

const swiftShader = [
  "/usr/lib/chromium/vk_swiftshader_icd.json",
  "/usr/lib/chromium-browser/vk_swiftshader_icd.json",
  "/usr/lib64/chromium-browser/vk_swiftshader_icd.json",
  "/opt/google/chrome/vk_swiftshader_icd.json",
];

/** Why tests on WebGPU cannot run here, for `skip`; undefined if they can. */
export const webgpuSkipReason: string | undefined = await findSkipReason();

async function findSkipReason(): Promise<string | undefined> {
  const needsDriver =
    process.platform === "linux" && !hasGraphicsCard() && !("VK_ICD_FILENAMES" in process.env);
  if (needsDriver) {
    const driver = swiftShader.find((path) => existsSync(path));
    if (driver === undefined)
      return "no graphics card and no SwiftShader here; on Debian: apt-get install chromium libvulkan1";
    process.env.VK_ICD_FILENAMES = driver;
  }
  process.env.XDG_RUNTIME_DIR ??= tmpdir();
  const answer = await probe("webgpu");
  return answer.works ? undefined : `WebGPU does not work here: ${answer.reason}`;
}

function hasGraphicsCard(): boolean {
  return (
    existsSync("/dev/nvidia0") ||
    (existsSync("/dev/dri") && readdirSync("/dev/dri").some((name) => name.startsWith("render")))
  );
}
