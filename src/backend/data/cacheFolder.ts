/** The default folder for downloads and token files. */
import envPaths from "env-paths";

/** `LATHE_CACHE` if it is set, otherwise the cache folder of the operating system. */
export function getDefaultCacheFolder(environment: NodeJS.ProcessEnv = process.env): string {
  const override = environment["LATHE_CACHE"];
  return override === undefined || override === "" ? envPaths("lathe", { suffix: "" }).cache : override;
}
