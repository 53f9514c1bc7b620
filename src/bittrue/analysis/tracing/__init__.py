"""Why a plan does what it does to a network: counts at every site, and what freeing a site brings back."""
