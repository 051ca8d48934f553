"""`-p tests.brief_products`: the real libraries, on matrices that take milliseconds; nobody trusts the rate."""

from __future__ import annotations

from collections.abc import Callable

from fixtures.worker import products
from fixtures.worker.products import PRODUCTS, Product


def _brief(library: Callable[[str, int], Callable[[int], Product]]) -> Callable[[str, int], Callable[[int], Product]]:
    """The library; whoever takes a product of it, a worker, is brief from then on."""

    def product_of(precision: str, threads: int) -> Callable[[int], Product]:
        products.LONGEST_S, products.ROUNDS_S = 0.005, 0.02
        return library(precision, threads)

    return product_of


torch_mm = _brief(products.torch_mm)
torch_mkldnn = _brief(products.torch_mkldnn)
numpy_matmul = _brief(products.numpy_matmul)
onnxruntime_matmul = _brief(products.onnxruntime_matmul)

BRIEF = {
    precision: tuple(
        {name: location.replace(products.__name__, __name__) for name, location in libraries.items()} for libraries in every
    )
    for precision, every in PRODUCTS.items()
}
"""As PRODUCTS."""


def pytest_configure() -> None:
    """They are all that a session knows."""
    PRODUCTS.update(BRIEF)
