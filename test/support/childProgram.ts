/** Test programs that run in a separate process, to be measured or killed. */
import { rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { bundle } from "../../scripts/bundle";

/** Inside the checkout, where ONNX Runtime is found; separate for each process, since several may run at a time. */
const folder = resolve("node_modules/.cache/lathe-programs", String(process.pid));
process.on("exit", () => {
  rmSync(folder, { recursive: true, force: true });
});

/** The path of a file that plain Node can run. */
export async function writeChildProgram(source: string): Promise<string> {
  const file = `${source.replaceAll(/\W+/g, "-")}.cjs`;
  await bundle({ source, file }, folder);
  return join(folder, file);
}
