/** Measures the first minutes with the packed extension: from a folder with three texts to the first curve. */
import { statSync } from "node:fs";
import { reachFirstCurve, writeThreeTexts } from "../../test/vscode/support/firstMinutes";
import { packedExtensionPath, Study } from "../../test/vscode/support/study";
import { noWindow } from "../../test/vscode/support/window";
import { printFigure, printLoad } from "./figures";
import { measureActivation } from "./windowFigures";

export async function printFirstFigures(): Promise<void> {
  console.log("\nThe first minutes, with the packed extension and the keyboard alone");
  const reason = noWindow();
  if (reason !== undefined) {
    console.log(`No figures: ${reason}.`);
    return;
  }
  const study = await Study.open({ installed: true });
  try {
    const bytes = statSync(packedExtensionPath).size;
    printFigure("size of the package", `${(bytes / 1e6).toFixed(1)} MB`);
    printFigure("installing it", formatSeconds(study.server.installTime));
    writeThreeTexts(study.folder);
    printLoad();
    const startTime = performance.now();
    const window = await study.window();
    printFigure("opening the window", formatSeconds(performance.now() - startTime));
    for (const { name, time } of await reachFirstCurve(window, study))
      printFigure(`first key to ${name}`, formatSeconds(time));
    await measureActivation(window);
    printLoad();
  } finally {
    await study.close();
  }
}

const formatSeconds = (milliseconds: number) => `${(milliseconds / 1000).toFixed(1)} s`;
