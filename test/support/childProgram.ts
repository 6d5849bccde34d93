/** Test programs that run in a process of their own, to be measured or killed. */
import { rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { bundle } from "../../scripts/bundle";

/** Inside the checkout, where ONNX Runtime is found; of this process alone, since several may run at a time. */
const folder = resolve("node_modules/.cache/lathe-programs", String(process.pid));
process.on("exit", () => {
  rmSync(folder, { recursive: true, force: true });
});

/** The path of a file that a bare Node runs. */
export async function writeChildProgram(source: string): Promise<string> {
  const file = `${source.replaceAll(/\W+/g, "-")}.cjs`;
  await bundle({ source, file }, folder);
  return join(folder, file);
}
