"""`python run_notebooks.py FOLDER NOTEBOOK…`: run notebooks in FOLDER, from their first cells to their last.

A process of its own, since a kernel leaves its sockets to the garbage collector. One kernel serves all, so that the
frameworks are imported once; each notebook begins with no names. Exit code 1 where a cell fails, or complains.
"""

import sys

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError


def main(folder: str, paths: list[str]) -> int:
    resources = {"metadata": {"path": folder}}
    manager = NotebookClient(nbformat.v4.new_notebook()).create_kernel_manager()
    manager.start_kernel(cwd=folder)
    failures = []
    try:
        for path in paths:
            notebook = nbformat.read(path, 4)
            notebook.cells.insert(0, nbformat.v4.new_code_cell("%reset -f"))
            client = NotebookClient(notebook, km=manager, timeout=120, resources=resources)
            try:
                client.execute(cleanup_kc=False)
            except CellExecutionError as error:
                failures.append(f"{path}: {error}")
            outputs = (output for cell in notebook.cells for output in cell.get("outputs", []))
            failures += [f"{path}: {output['text']}" for output in outputs if output.get("name") == "stderr"]
    finally:
        manager.shutdown_kernel(now=True)
    print(*failures, sep="\n")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
