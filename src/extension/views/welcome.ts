/** Conditions for the texts of an empty tree; they exclude each other. */

export const inNoFolder = "workspaceFolderCount == 0";
export const inUntrusted = "workspaceFolderCount != 0 && !isWorkspaceTrusted";
export const inTrusted = "workspaceFolderCount != 0 && isWorkspaceTrusted";
