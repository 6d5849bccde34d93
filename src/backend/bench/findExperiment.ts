/** Finds the experiments that ship with Lathe by short names: `kphi3-55C` is examples/papers/kphi3/JP47D55C.lathe.md. */
import { existsSync, readdirSync, realpathSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { WorkbenchError } from "../../protocol/errors";

const fileExtension = ".lathe.md";

/** Returns the path of an experiment: the named file if there is one, else the paper experiment of that name. */
export function findExperiment(name: string, papers = findPapersFolder()): string {
  if (existsSync(name)) return name;
  const experiments = papers === undefined ? [] : listExperiments(papers);
  const matches = experiments.filter(({ folder, stem }) => stem === name || isShortFor(name, folder, stem));
  if (matches.length === 1) return matches[0]!.file;
  throw new WorkbenchError(
    "not-found",
    `There is no experiment ${name}${matches.length > 1 ? " alone" : ""}: give the path of an experiment file, or one of ${experiments.map(({ stem }) => stem).join(", ")}.`,
  );
}

/** Matches the folder and the end of the file name. */
function isShortFor(name: string, folder: string, stem: string): boolean {
  const start = `${folder}-`;
  return name.startsWith(start) && name.length > start.length && stem.endsWith(name.slice(start.length));
}

function listExperiments(papers: string): { folder: string; stem: string; file: string }[] {
  return readdirSync(papers, { recursive: true, encoding: "utf8" })
    .filter((each) => each.endsWith(fileExtension))
    .sort()
    .map((each) => {
      const file = join(papers, each);
      return { folder: basename(dirname(file)), stem: basename(each, fileExtension), file };
    });
}

/** Beside the program, whether bundled or run from source. */
function findPapersFolder(): string | undefined {
  let folder = dirname(realpathSync(process.argv[1] ?? "."));
  for (;;) {
    const papers = join(folder, "examples", "papers");
    if (existsSync(papers)) return papers;
    const above = dirname(folder);
    if (above === folder) return undefined;
    folder = above;
  }
}
