/** Finds the Python interpreter that runs PyTorch, and how to start it. Nothing is started here. */
import { accessSync, constants, existsSync, statSync } from "node:fs";
import { delimiter, dirname, isAbsolute, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { WorkbenchError } from "../../../protocol/errors";

export interface Interpreter {
  /** Absolute path. Links are kept, because a virtual environment is found through them. */
  readonly path: string;
  /** Where it is named, for messages: `the setting lathe.pythonPath`. */
  readonly source: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Variables that name an interpreter; the first that is set counts. The extension passes the first and the last. */
const sources = [
  { variable: "LATHE_PYTHON_SETTING", name: "the setting lathe.pythonPath" },
  { variable: "LATHE_PYTHON", name: "the environment variable LATHE_PYTHON" },
  { variable: "LATHE_PYTHON_SELECTED", name: "the Python extension" },
] as const;

/** Programs that are looked for if no source names an interpreter. */
const defaultPrograms =
  process.platform === "win32" ? (["python", "python3"] as const) : (["python3", "python"] as const);

const remedy =
  "Install Python 3.10 or newer with PyTorch 2.6 or newer, or name an interpreter that has them in the setting " +
  "lathe.pythonPath or the environment variable LATHE_PYTHON.";

/** Throws `device-failed` if the interpreter that is named does not exist, or if none is named and none is found. */
export function findInterpreter(environment: Environment = process.env): Interpreter {
  const [first] = listCandidates(environment);
  if (first instanceof WorkbenchError) throw first;
  if (first !== undefined) return first;
  throw new WorkbenchError(
    "device-failed",
    `No Python interpreter was found: none is named, and neither ${defaultPrograms.join(" nor ")} is on PATH. ${remedy}`,
  );
}

/** All interpreters that are named or on PATH, each once: the one that is used, then those that would be used without it. */
export function listInterpreters(environment: Environment = process.env): readonly Interpreter[] {
  const found = listCandidates(environment).flatMap((each) => (each instanceof WorkbenchError ? [] : [each]));
  return found.filter(({ path }, i) => found.findIndex((other) => other.path === path) === i);
}

/** In order of preference; an error takes the place of an interpreter that is named but does not exist. */
function listCandidates(environment: Environment): readonly (Interpreter | WorkbenchError)[] {
  const named = sources.flatMap(({ variable, name }) => {
    const text = environment[variable]?.trim() ?? "";
    return text === "" ? [] : [locate(text, name, environment)];
  });
  const paths = defaultPrograms.map((program) => findOnPath(program, environment));
  const path = paths.find((each) => each !== undefined);
  return [...named, ...(path === undefined ? [] : [{ path, source: "PATH" }])];
}

function locate(text: string, source: string, environment: Environment): Interpreter | WorkbenchError {
  const refuse = (fault: string) => {
    const message = `The Python interpreter ${text}, which ${source} names, ${fault}. ${remedy}`;
    return new WorkbenchError("device-failed", message);
  };
  if (!/[\\/]/.test(text)) {
    const path = findOnPath(text, environment);
    return path === undefined ? refuse("is not on PATH") : { path, source };
  }
  // A run works in its own folder, so a relative path would depend on the process that reads it.
  if (!isAbsolute(text)) return refuse("is not an absolute path");
  if (!existsSync(text)) return refuse("does not exist");
  return isExecutable(text) ? { path: text, source } : refuse("is not an executable file");
}

function findOnPath(program: string, environment: Environment): string | undefined {
  const folders = (environment.PATH ?? environment.Path ?? "").split(delimiter);
  const names = process.platform === "win32" ? [`${program}.exe`, program] : [program];
  return folders
    .filter((folder) => isAbsolute(folder))
    .flatMap((folder) => names.map((name) => join(folder, name)))
    .find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/** The folder of the Python package `lathe_torch`. LATHE_PYTHON_PACKAGE overrides it in tests. */
export function getPackageFolder(): string {
  if (process.env.LATHE_PYTHON_PACKAGE !== undefined) return resolve(process.env.LATHE_PYTHON_PACKAGE);
  const program = dirname(fileURLToPath(import.meta.url));
  // Bundles are one folder below the top, sources four.
  const [besideBundles, ofSources] = [join(program, "../python"), join(program, "../../../../python")];
  return !existsSync(besideBundles) && existsSync(ofSources) ? ofSources : besideBundles;
}

export interface PythonLaunch {
  readonly args: readonly string[];
  readonly options: { readonly cwd: string; readonly env: NodeJS.ProcessEnv; readonly windowsHide: true };
}

/**
 * How to start a module of `lathe_torch`. Python searches its working folder for modules first, so that folder is the
 * package's: a file of the user's project that is named like a module is never executed.
 */
export function createPythonLaunch(module: string, args: readonly string[] = []): PythonLaunch {
  const folder = getPackageFolder();
  if (!existsSync(join(folder, "lathe_torch", "__init__.py")))
    throw new WorkbenchError("internal", `Lathe's Python package ${folder} is missing. Install Lathe again.`);
  const searched = [folder, process.env.PYTHONPATH ?? ""].filter((each) => each !== "");
  return {
    args: ["-m", module, ...args],
    options: {
      cwd: folder,
      windowsHide: true,
      env: {
        ...process.env,
        PYTHONPATH: searched.join(delimiter),
        PYTHONIOENCODING: "utf-8",
        // The folder of an extension is not written to.
        PYTHONDONTWRITEBYTECODE: "1",
      },
    },
  };
}
