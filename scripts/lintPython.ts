/** Checks the Python package with ruff: the one on PATH, or that of LATHE_PYTHON. Without ruff it reports that nothing is checked. */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const folder = fileURLToPath(new URL("../python", import.meta.url));
const python = process.env["LATHE_PYTHON"];

/** Programs that may be ruff, with their first arguments. */
const candidates: readonly (readonly [program: string, ...args: string[]])[] = [
  ["ruff"],
  ...(python === undefined || python === "" ? [] : [[python, "-m", "ruff"] as const]),
];
const ruff = candidates.find(
  ([program, ...args]) => spawnSync(program, [...args, "--version"], { stdio: "ignore" }).status === 0,
);

if (ruff === undefined)
  console.log(
    "python/ is not checked: ruff is neither on PATH nor installed for LATHE_PYTHON. To check it: pip install ruff.",
  );
else {
  const [program, ...args] = ruff;
  console.log(`python/ is checked by ${ruff.join(" ")}.`);
  for (const command of [["check"], ["format", "--check"]]) {
    const { status } = spawnSync(program, [...args, ...command, "--no-cache", "."], {
      cwd: folder,
      stdio: ["ignore", "inherit", "inherit"],
    });
    if (status !== 0) process.exitCode = 1;
  }
}
