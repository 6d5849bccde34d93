/** Every representation by its file's name. Written by `npm run generate`. */
import type { AnyRepresentation } from "./representation";
import dense from "./dense";
import diagonal from "./diagonal";
import grouped from "./grouped";
import masked from "./masked";
import tied from "./tied";

export const representations: Readonly<Record<string, AnyRepresentation>> = {
  dense,
  diagonal,
  grouped,
  masked,
  tied,
};
