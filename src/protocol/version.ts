/** The version of Lathe, as its manifest says it. */
import manifest from "../../package.json";

export const version: string = manifest.version;
