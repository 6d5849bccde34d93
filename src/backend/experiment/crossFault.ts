/** A violated rule between keys or between cells. */
import type { Path } from "./experiment";
import type { Branchable } from "./parts";

export interface CrossFault {
  /** A declaration, or the index of an action. */
  readonly subject: Branchable | number;
  readonly path: Path;
  /** Continues the name of the value at the path: "has to …". */
  readonly message: string;
}
