/** Where downloads and token files are kept when an experiment does not say. */
import envPaths from "env-paths";

/** `LATHE_CACHE`, else the folder that the operating system has for caches. */
export function defaultCacheFolder(environment: NodeJS.ProcessEnv = process.env): string {
  const wanted = environment["LATHE_CACHE"];
  return wanted === undefined || wanted === "" ? envPaths("lathe", { suffix: "" }).cache : wanted;
}
