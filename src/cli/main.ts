/** The entry of the command line, bundled as dist/lathe.cjs. */
import { schemaCatalog } from "../backend/schemaCatalog";
import { commands } from "./commands/catalog";
import { runCli } from "./runCli";

void runCli(process.argv.slice(2), { commands, catalog: schemaCatalog }).then((status) => {
  process.exitCode = status;
});
