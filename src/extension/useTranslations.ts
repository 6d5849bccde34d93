/** Imported before all else by the extension, because titles and the like are translated when their files are loaded. */
import * as vscode from "vscode";
import { setTranslate } from "./l10n";

setTranslate(vscode.l10n.t);
