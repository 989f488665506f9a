"""A person's browser before the running stack."""


def new_page(browser, width=1200, **options):
    """A page of a browser that nobody is signed in to."""
    page = browser.new_context(viewport={"width": width, "height": 900}, **options).new_page()
    page.set_default_timeout(60_000)
    return page


def sign_in(stack, page):
    """By Airflow's own login page, which the browser is at."""
    page.fill("input[name=username]", "admin")
    page.fill("input[name=password]", (stack.root / ".daybook/admin-password").read_text().strip())
    page.keyboard.press("Enter")
