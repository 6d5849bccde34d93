/** The version of Lathe, from its manifest. */
import manifest from "../../package.json";

export const version: string = manifest.version;
