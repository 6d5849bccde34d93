/** The default folder for downloads and token files. */
import envPaths from "env-paths";

/** `LATHE_CACHE` if it is set, otherwise the cache folder of the operating system. */
export function defaultCacheFolder(environment: NodeJS.ProcessEnv = process.env): string {
  const wanted = environment["LATHE_CACHE"];
  return wanted === undefined || wanted === "" ? envPaths("lathe", { suffix: "" }).cache : wanted;
}
