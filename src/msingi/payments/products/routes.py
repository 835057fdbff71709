"""Doors of products: what there is, one's own, and how a month was computed."""

from typing import Annotated

from litestar import Router, get, post
from litestar.params import PathParameter

from msingi.kernel import web
from msingi.payments.bank.doors import AnyRequest, paying_context
from msingi.payments.products import acts, catalogue
from msingi.payments.products.model import Explained, OwnProduct, Product

Code = Annotated[str, PathParameter(max_length=40, description="The code of a product.")]


@get("/products")
async def products(request: AnyRequest) -> list[Product]:
    """The products of the country with their terms, also those that are announced: for everybody."""
    return list(catalogue.of(web.stack(request)).products)


@get("/products/own")
async def own(request: AnyRequest) -> list[OwnProduct]:
    """The caller's accounts with products, what each has earned, and settled months. 401, 403."""
    return await acts.own_products(web.stack(request), await paying_context(request))


@post("/products/{code:str}/account")
async def open_product(request: AnyRequest, code: Code) -> OwnProduct:
    """Open an account with a product, one of each; repeated, the same. 404, 409 payments.being-opened."""
    return await acts.open_product(web.stack(request), await paying_context(request), code)


@get("/products/{code:str}/months/{month:str}")
async def explain(request: AnyRequest, code: Code, month: str) -> Explained:
    """How a month of the caller's account was computed, day by day. 400, 404 payments.no-such-product."""
    return await acts.explain(web.stack(request), await paying_context(request), code, month)


routers = [Router("/v1/payments", route_handlers=[products, own, open_product, explain], tags=["payments"])]
