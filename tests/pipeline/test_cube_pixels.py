def test_x(built): pass
